"""Writes a tiny Llama model with random weights as GGUF (half a megabyte, always the same bytes for one version of gguf).

A real file for a real server. What the model says is noise, and that is the point: nobody here wrote it.
Usage: tiny_gguf.py OUT
"""

import sys

import gguf
import numpy as np

N_LAYERS, N_EMBEDDING, N_HEADS, N_FEED_FORWARD, N_CONTEXT = 2, 64, 4, 128, 2048
SEED = 11
BYTE_TOKEN, NORMAL_TOKEN, CONTROL_TOKEN, UNKNOWN_TOKEN = 6, 1, 3, 2
SPACE = "\u2581"
WORDS = ["the", "a", "of", "and", "to", "in", "is"]
PIECES = ["er", "in", "on", "th", "he", "an", "re"]
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def vocabulary():
    """Tokens and their types: three special ones, every byte, the printable letters, a few pieces."""
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    types = [UNKNOWN_TOKEN, CONTROL_TOKEN, CONTROL_TOKEN] + [BYTE_TOKEN] * 256
    normal = [SPACE] + [chr(code) for code in range(33, 127)] + [SPACE + word for word in WORDS] + PIECES
    return tokens + normal, types + [NORMAL_TOKEN] * len(normal)


def write(path):
    random = np.random.default_rng(SEED)

    def weights(*shape):
        return (random.normal(size=shape) * 0.08).astype(np.float32)

    tokens, types = vocabulary()
    out = gguf.GGUFWriter(path, "llama")
    out.add_name("tiny-random")
    out.add_context_length(N_CONTEXT)
    out.add_embedding_length(N_EMBEDDING)
    out.add_block_count(N_LAYERS)
    out.add_feed_forward_length(N_FEED_FORWARD)
    out.add_head_count(N_HEADS)
    out.add_head_count_kv(N_HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(N_EMBEDDING // N_HEADS)
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model("llama")
    out.add_token_list(tokens)
    out.add_token_scores([-float(i) if kind == NORMAL_TOKEN else 0.0 for i, kind in enumerate(types)])
    out.add_token_types(types)
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_chat_template(TEMPLATE)
    ones = np.ones(N_EMBEDDING, np.float32)
    out.add_tensor("token_embd.weight", weights(len(tokens), N_EMBEDDING))
    out.add_tensor("output.weight", weights(len(tokens), N_EMBEDDING))
    out.add_tensor("output_norm.weight", ones)
    for layer in range(N_LAYERS):
        block = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            out.add_tensor(f"{block}{name}.weight", weights(N_EMBEDDING, N_EMBEDDING))
        for name in ("attn_norm", "ffn_norm"):
            out.add_tensor(f"{block}{name}.weight", ones)
        for name in ("ffn_gate", "ffn_up"):
            out.add_tensor(f"{block}{name}.weight", weights(N_FEED_FORWARD, N_EMBEDDING))
        out.add_tensor(f"{block}ffn_down.weight", weights(N_EMBEDDING, N_FEED_FORWARD))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    write(sys.argv[1])
