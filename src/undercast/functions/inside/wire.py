"""The frames spoken between the engine and a forked Python environment, over one stream socket.

Read by both sides; imports nothing but the standard library, because it also runs inside the sandbox.

Towards the environment: `INVOKE` = head, then request id, ARN, trace id and client context joined by NUL,
then the event. The time limit is relative, so that an event may be sent before the function has finished
its initialisation: the deadline begins when the environment takes it.

Towards the engine: head, then the body the type says.
"""

from __future__ import annotations

import struct

TO_INSIDE = struct.Struct("<BxxxIII")  # type, length of meta, length of event, time limit in ms
TO_ENGINE = struct.Struct("<BBxxI")  # type, detail, length of body

# towards the environment
INVOKE = 1
PROCEED = 2  # go on (answer to RESTORED): meta is JSON, variables of the environment to change
FORK = 3  # to a snapshot, with descriptors: the number of the environment stands for the time limit

# towards the engine
READY = 1  # initialised; body empty
RESPONSE = 2  # detail: 0 JSON, 1 bytes as the function returned them
ERROR = 3  # the runtime client's error object
INIT_ERROR = 4  # "TYPE\0" and the error object
SNAPSHOT_READY = 5  # initialised, hooks before the snapshot ran
RESTORE_ERROR = 6  # "TYPE\0" and the error object
RESTORED = 7  # an environment was forked from a snapshot and waits for PROCEED
EXITED = 8  # from a snapshot: an environment forked from it ended; body EXITED_BODY
EXITED_BODY = struct.Struct("<Ii")  # number of the environment, status as waitpid(2) gives it

JSON, BYTES = 0, 1

# Frames among the function's output, in the runtime client's telemetry format (16 bytes head:
# type, length, microseconds; big-endian). Ours marks the end of the initialisation.
LOG_HEAD = struct.Struct(">IIQ")
LOG_MAGIC = b"\xa5\x5a\x00"
LOG_INIT_DONE = 0xA55A00FF
