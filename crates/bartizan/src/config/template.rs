//! The file that `bartizan init` writes.

/// A commented configuration that says what happens without one, in front of a server on this machine.
pub(crate) const TEMPLATE: &str = r#"# bartizan.toml: the wall in front of your model.
# Every value below is the default, except where a line says "example".
# Check the file with `bartizan config check`; a running `bartizan serve` takes a good new version by itself.

[listen]
address = "127.0.0.1:4180" # where your applications call; another address needs TLS, or `--insecure`
control = "127.0.0.1:4181" # /healthz, /readyz and /metrics; keep it private
hosts = []                 # names that callers may use for us, beside IP addresses and localhost
origins = []               # web origins whose pages may call us; empty: none
workers = 0                # threads that serve callers; 0: one for every two processors
# tls_cert = "cert.pem"    # example: with both of these the listener speaks TLS
# tls_key = "key.pem"

[ledger]
dir = ".bartizan"          # the state folder: the log, and the hashes of the keys
mode = "durable"           # "off" records nothing, and can prove nothing
# queue_records_max = 16384    # records that may wait for the disk; one more gets 503
# queue_bytes_max = 134217728  # and their bytes

# [ledger.retention]             # days after which what is kept can no longer be read; leaves are kept for ever
# payload_days = 200             # prompts and answers
# traffic_days = 1096            # what was found and decided
# admission_days = 3653          # changes of policy and keys, admissions, gates

# [ledger.witness]               # example: somebody elsewhere who vouches that the log was never rewritten
# policy = "witness.policy"      # who, and how many of them: see docs/guides/witness.md

[guard]
profile = "standard"       # or "strict", or "observe" (changes nothing, records everything)
mode = "on"                # "off" lets every text pass unread
# policy = "guard.cedar"   # example: your own rules instead of a profile; begin with `bartizan policy show`

# pseudonyms = ["pii"]     # example: the model reads [EMAIL-4kq7zpma], the caller reads the address again

# [[guard.kind]]                 # example: a kind of your own, found and treated as the built-in ones are
# name = "secret.acme-badge"     # `secret` kinds are redacted by the profile
# pattern = "ACME-[0-9]{6}"      # or words = ["Project Falcon"]

# [[guard.except]]               # example: values that are no findings
# kind = "pii.email"
# values = ["help@acme.example", "*@acme.example"]

[[upstream]]
name = "default"
url = "http://127.0.0.1:11434" # any server with the OpenAI API: Ollama, vLLM, llama.cpp, a hosted one
# key_env = "UPSTREAM_KEY"     # example: the name of the variable that holds its key, never the key
# ca_file = "ca.pem"           # example: trust this authority for it, beside the public ones

[[route]]
name = "default"
models = ["*"]             # which models take this route; the first route that fits wins
upstream = "default"
allow_unread = []          # ["media"] lets images, audio and files pass, which nobody here reads
redact_tool_calls = false  # true: rewrite tool calls that hold a secret, instead of refusing them
restore_tool_calls = false # true: values are put back for placeholders in tool calls too
document_delimiters = []   # example: [["<doc>", "</doc>"]] sets documents apart inside a message
# durability = "strict"    # "bounded" waits for no disk, and a crash loses the last records; "off" records nothing
# subject_header = "x-user" # example: this header says whom a request is about, where its body does not

[limits]                   # a few of them; docs/reference/limits.md has all
requests_max = 4096        # requests at a time; one more gets 503
streams_max = 2048         # open streams at a time
body_bytes_max = 16777216  # bytes of a request
tool_call_bytes_max = 262144
first_byte_ms = 300000     # patience with the upstream
total_ms = 1800000
"#;
