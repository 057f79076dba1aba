"""Runs a command in a terminal of its own.

`terminal.py WHEN KEYS COMMAND...` types KEYS once WHEN was shown; where KEYS is empty, the terminal closes then.
"""

import os
import pty
import sys

when, keys, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
seen = b""
typed = False
while True:
    try:
        chunk = os.read(terminal, 65536)
    except OSError:  # the last of its processes has closed it
        break
    if not chunk:
        break
    seen += chunk
    if not typed and when.encode() in seen:
        typed = True
        if not keys:
            os.close(terminal)
            break
        os.write(terminal, keys.encode().decode("unicode_escape").encode())
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
sys.stdout.flush()
print("ended", os.waitstatus_to_exitcode(status))
