"""What the Python clients of the sweep have in common: they are told what to do, and report, in lines of JSON, as
lib/program.mjs says."""

import json
import sys
import threading

_lock = threading.Lock()


def say(message):
    with _lock:
        sys.stdout.write(json.dumps(_packed(message)) + "\n")
        sys.stdout.flush()


def report(key, event, *args):
    say({"key": key, "event": event, "args": args})


def requests():
    """The requests, as they come."""
    for line in sys.stdin:
        yield json.loads(line, object_hook=_unpacked)


def answer(request, work):
    """Does the work, and says what came of it."""
    try:
        say({"id": request["id"], "value": work()})
    except Exception as error:  # whatever it is, it is what the sweep wants to know
        say({"id": request["id"], "error": "%s: %s" % (type(error).__name__, error)})


def _packed(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": value.hex()}
    if isinstance(value, (list, tuple)):
        return [_packed(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _packed(inner) for key, inner in value.items()}
    return value


def _unpacked(value):
    return bytes.fromhex(value["$bytes"]) if "$bytes" in value else value
