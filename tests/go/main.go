// Reads what the ledger publishes with code that nobody here wrote: golang.org/x/mod/sumdb/note and tlog.
//
//  check inclusion <verifier key> <checkpoint file> <proof file> <leaf file>
//  check proof <verifier key> <proof file> <leaf file>                 the same with the checkpoint that the proof holds
//  check growth <verifier key> <old checkpoint file> <witness request file>
//
// Exits 0 and says what holds, or 1 and says what does not, or 2 when it was asked wrongly or could not read. It reads the three lines of a
// checkpoint itself, because tlog.ParseTree knows the name of one log only. (Indented with spaces: no file here has tabs.)
package main

import (
    "encoding/base64"
    "errors"
    "fmt"
    "os"
    "strconv"
    "strings"

    "golang.org/x/mod/sumdb/note"
    "golang.org/x/mod/sumdb/tlog"
)

// Most bytes of any file that is read here.
const bytesMax = 1 << 20

// A checkpoint whose signature holds.
type checkpoint struct {
    origin string
    size   int64
    root   tlog.Hash
}

func read(path string) (string, error) {
    info, err := os.Stat(path)
    if err != nil {
        return "", err
    }
    if info.Size() > bytesMax {
        return "", fmt.Errorf("%s has %d bytes, at most %d are read", path, info.Size(), bytesMax)
    }
    content, err := os.ReadFile(path)
    return string(content), err
}

// The number in a line, if it is written the one canonical way.
func number(text string) (int64, error) {
    value, err := strconv.ParseInt(text, 10, 64)
    if err != nil || value < 0 || strconv.FormatInt(value, 10) != text {
        return 0, fmt.Errorf("not a number: %q", text)
    }
    return value, nil
}

func hash(text string) (tlog.Hash, error) {
    bytes, err := base64.StdEncoding.Strict().DecodeString(text)
    if err != nil || len(bytes) != tlog.HashSize {
        return tlog.Hash{}, fmt.Errorf("not a hash: %q", text)
    }
    return *(*tlog.Hash)(bytes), nil
}

func hashes(lines []string) ([]tlog.Hash, error) {
    var found []tlog.Hash
    for _, line := range lines {
        hash, err := hash(line)
        if err != nil {
            return nil, err
        }
        found = append(found, hash)
    }
    return found, nil
}

func open(key, text string) (checkpoint, error) {
    verifier, err := note.NewVerifier(key)
    if err != nil {
        return checkpoint{}, err
    }
    opened, err := note.Open([]byte(text), note.VerifierList(verifier))
    if err != nil {
        return checkpoint{}, err
    }
    lines := strings.Split(opened.Text, "\n")
    if len(lines) < 4 {
        return checkpoint{}, errors.New("the checkpoint has fewer than three lines")
    }
    if lines[0] != verifier.Name() {
        return checkpoint{}, fmt.Errorf("the checkpoint is of %q, the key of %q", lines[0], verifier.Name())
    }
    size, err := number(lines[1])
    if err != nil {
        return checkpoint{}, err
    }
    root, err := hash(lines[2])
    return checkpoint{lines[0], size, root}, err
}

// The lines before the first empty one, and the checkpoint after it.
func split(text string) ([]string, string, error) {
    head, rest, found := strings.Cut(text, "\n\n")
    if !found {
        return nil, "", errors.New("no empty line and checkpoint")
    }
    return strings.Split(head, "\n"), rest, nil
}

func inclusion(key, checkpointText, proofText, leaf string) (string, error) {
    trusted, err := open(key, checkpointText)
    if err != nil {
        return "", err
    }
    lines, embedded, err := split(proofText)
    if err != nil {
        return "", err
    }
    if embedded != checkpointText {
        return "", errors.New("the proof holds another checkpoint")
    }
    if lines[0] != "c2sp.org/tlog-proof@v1" {
        return "", fmt.Errorf("not a proof: %q", lines[0])
    }
    lines = lines[1:]
    if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
        lines = lines[1:]
    }
    if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
        return "", errors.New("no index line")
    }
    index, err := number(strings.TrimPrefix(lines[0], "index "))
    if err != nil {
        return "", err
    }
    path, err := hashes(lines[1:])
    if err != nil {
        return "", err
    }
    err = tlog.CheckRecord(path, trusted.size, trusted.root, index, tlog.RecordHash([]byte(leaf)))
    return fmt.Sprintf("leaf %d is in %s of size %d", index, trusted.origin, trusted.size), err
}

// What `bartizan audit prove` writes: the checkpoint stands in the proof, and its signature is checked like any other's.
func proof(key, proofText, leaf string) (string, error) {
    _, embedded, err := split(proofText)
    if err != nil {
        return "", err
    }
    return inclusion(key, embedded, proofText, leaf)
}

func growth(key, oldText, requestText string) (string, error) {
    old, err := open(key, oldText)
    if err != nil {
        return "", err
    }
    lines, embedded, err := split(requestText)
    if err != nil {
        return "", err
    }
    grown, err := open(key, embedded)
    if err != nil {
        return "", err
    }
    if lines[0] != fmt.Sprintf("old %d", old.size) {
        return "", fmt.Errorf("not from size %d: %q", old.size, lines[0])
    }
    proof, err := hashes(lines[1:])
    if err != nil {
        return "", err
    }
    err = tlog.CheckTree(proof, grown.size, grown.root, old.size, old.root)
    return fmt.Sprintf("%s grew from %d to %d", grown.origin, old.size, grown.size), err
}

func run(arguments []string) (string, error) {
    var texts []string
    for _, path := range arguments[2:] {
        text, err := read(path)
        if err != nil {
            // Not a verdict: a missing file must not pass for a refused forgery.
            fmt.Fprintln(os.Stderr, err)
            os.Exit(2)
        }
        texts = append(texts, text)
    }
    if arguments[0] == "inclusion" {
        return inclusion(arguments[1], texts[0], texts[1], texts[2])
    }
    if arguments[0] == "proof" {
        return proof(arguments[1], texts[0], texts[1])
    }
    return growth(arguments[1], texts[0], texts[1])
}

func main() {
    arguments := os.Args[1:]
    isInclusion := len(arguments) == 5 && arguments[0] == "inclusion"
    isProof := len(arguments) == 4 && arguments[0] == "proof"
    isGrowth := len(arguments) == 4 && arguments[0] == "growth"
    if !isInclusion && !isProof && !isGrowth {
        fmt.Fprintln(os.Stderr, "usage: check inclusion KEY CHECKPOINT PROOF LEAF | check proof KEY PROOF LEAF | check growth KEY OLD-CHECKPOINT REQUEST")
        os.Exit(2)
    }
    said, err := run(arguments)
    if err != nil {
        fmt.Println("refused:", err)
        os.Exit(1)
    }
    fmt.Println("accepted:", said)
}
