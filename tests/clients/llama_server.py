"""Serves a GGUF file with llama.cpp's own HTTP server, from the xllamacpp wheel.   llama_server.py MODEL PORT"""

import sys
import time

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = sys.argv[1]
parameters.n_ctx = 4096
parameters.n_parallel = 2
parameters.warmup = False
parameters.cpuparams.n_threads = 2
parameters.hostnames = ["127.0.0.1"]
parameters.port = int(sys.argv[2])
parameters.use_jinja = True
server = xllamacpp.Server(parameters)
print("ready", flush=True)
while True:
    time.sleep(3600)
