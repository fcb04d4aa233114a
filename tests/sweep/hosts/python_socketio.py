"""python-socketio, its client with threads or, with the argument `asyncio`, the one for asyncio."""

import asyncio
import sys
import threading

import socketio
from lines import answer, report, requests, say

TRANSPORTS = {"websocket": ["websocket"], "xhr-polling": ["polling"], "upgrade": None}
RETRIES = {"reconnection_delay": 0.05, "reconnection_delay_max": 0.4}


def listen(client, key, events):
    def handler(name):
        return lambda *args: report(key, name, *args)

    client.on("connect", lambda: report(key, "connect"))
    client.on("disconnect", lambda *_: report(key, "disconnect"))
    for name in events:
        client.on(name, handler(name))


def tell_upgrade(client, key):
    """The upgrade is over when `connect` returns."""
    if client.transport() == "websocket":
        report(key, "upgrade", "websocket")


def transport_of(client):
    return {"polling": "xhr-polling"}.get(client.transport(), client.transport())


def with_threads():
    clients = {}

    def open_client(key, spec):
        client = clients[key] = socketio.Client(**RETRIES)
        listen(client, key, spec["events"])
        client.connect(spec["url"], transports=TRANSPORTS[spec["wire"]])
        tell_upgrade(client, key)

    def call(request, client, name, args):
        client.emit(name, tuple(args), callback=lambda *given: say({"id": request["id"], "value": list(given)}))

    for request in requests():
        key, args = request["key"], request["args"]
        work = {
            "open": lambda: open_client(key, args[0]),
            "emit": lambda: [clients[key].emit(args[0], tuple(each)) for each in args[1]] and None,
            "transport": lambda: transport_of(clients[key]),
            "disconnect": lambda: clients[key].disconnect(),
        }
        if request["method"] == "call":
            call(request, clients[key], *args)
        else:
            answer(request, work[request["method"]])


async def with_asyncio():
    clients = {}
    loop = asyncio.get_running_loop()

    async def serve(request):
        key, method, args = request["key"], request["method"], request["args"]
        value = None
        try:
            if method == "open":
                client = clients[key] = socketio.AsyncClient(**RETRIES)
                spec = args[0]
                listen(client, key, spec["events"])
                await client.connect(spec["url"], transports=TRANSPORTS[spec["wire"]])
                tell_upgrade(client, key)
            elif method == "emit":
                for each in args[1]:
                    await clients[key].emit(args[0], tuple(each))
            elif method == "call":
                done = loop.create_future()
                await clients[key].emit(args[0], tuple(args[1]), callback=lambda *given: done.set_result(list(given)))
                value = await done
            elif method == "transport":
                value = transport_of(clients[key])
            elif method == "disconnect":
                await clients[key].disconnect()
            say({"id": request["id"], "value": value})
        except Exception as error:
            say({"id": request["id"], "error": "%s: %s" % (type(error).__name__, error)})

    def read():
        for request in requests():
            asyncio.run_coroutine_threadsafe(serve(request), loop)

    threading.Thread(target=read, daemon=True).start()
    await asyncio.Event().wait()


if sys.argv[1:] == ["asyncio"]:
    asyncio.run(with_asyncio())
else:
    with_threads()
