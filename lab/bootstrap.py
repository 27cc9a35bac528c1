"""How an agent begins: the first words of its Python, and its own source, which comes over its input.

An engine starts `python3 -I -S -c BOOTSTRAP` and writes `agent_source()` to its input. What is said over the pipe
afterwards is `remote`'s business.
"""

import json
import marshal
import sys
from base64 import b64encode
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path

MODULES = (
    "wire tasks children blocked sockets programs netlink tap tables watch fates nfqueue impair net views main".split()
)
AGENT = Path(__file__).parent / "agent"

BOOTSTRAP = """
import json, marshal, os, sys
from binascii import a2b_base64
from types import ModuleType
def read(size):
    data = b""
    while len(data) < size:
        piece = os.read(0, size - len(data))
        if not piece:
            sys.exit("agent: the input ended before its source")
        data += piece
    return data
sys.modules["agent"] = package = ModuleType("agent")
package.__path__ = []
sent = json.loads(read(int(read(10))))
for name, (source, code) in sent["modules"].items():
    module = ModuleType("agent." + name)
    module.__package__ = "agent"
    setattr(package, name, module)
    sys.modules["agent." + name] = module
    same = sent["python"] == sys.implementation.cache_tag
    program = marshal.loads(a2b_base64(code)) if same else compile(source, "agent/" + name + ".py", "exec")
    exec(program, module.__dict__)
package.main.main()
""".strip()


@cache
def agent_source() -> bytes:
    """What an agent's input begins with: its modules in the order of their imports, after their length in ten digits;
    compiled too (and as Python keeps what it compiled), which saves a host that runs the same Python a third of its
    start."""
    modules = {}
    for name in MODULES:
        loader = SourceFileLoader(f"agent.{name}", f"{AGENT}/{name}.py")
        code = b64encode(marshal.dumps(loader.get_code(loader.name))).decode()
        modules[name] = loader.get_source(loader.name), code
    data = json.dumps({"python": sys.implementation.cache_tag, "modules": modules}).encode()
    return b"%010d" % len(data) + data
