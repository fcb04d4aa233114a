"""socketIO-client and those that came of it. The argument is the name of the module. Each client has one thread, which
waits for events a second at a time, as their documentation does it."""

import importlib
import queue
import sys
import threading

from lines import answer, report, requests, say

module = importlib.import_module(sys.argv[1])
WIRES = {"websocket": ["websocket"], "upgrade": ["websocket", "xhr-polling"]}


class Client:
    def __init__(self, key, spec):
        self.requests = queue.Queue()
        self.key = key
        self.spec = spec
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        key, spec = self.key, self.spec

        class Namespace(module.BaseNamespace):
            def on_connect(self, *_):
                report(key, "connect")

            def on_reconnect(self, *_):
                report(key, "connect")

            def on_disconnect(self, *_):
                report(key, "disconnect")

        def handler(name):
            return lambda *args: report(key, name, *args)

        host, port = spec["url"].replace("http://", "").split(":")
        transports = WIRES.get(spec["wire"], [spec["wire"]])
        try:
            self.io = module.SocketIO(host, int(port), Namespace, transports=transports)
        except Exception as error:
            report(key, "not opened", "%s: %s" % (type(error).__name__, error))
            return
        for name in spec["events"]:
            self.io.on(name, handler(name))
        if hasattr(self.io, "transport_name"):
            report(key, "connect")  # it reads only the first packet of the handshake's answer, and this is the second
        if spec["wire"] == "upgrade" and self.transport() == "websocket":
            report(key, "upgrade", "websocket")
        while True:
            try:
                self.io.wait(seconds=1)
            except Exception as error:
                report(key, "failed", "%s: %s" % (type(error).__name__, error))
            while not self.requests.empty():
                self.serve(self.requests.get())

    def serve(self, request):
        method, args = request["method"], request["args"]
        if method == "call":
            try:
                self.io.emit(args[0], *args[1], callback=lambda *given: say({"id": request["id"], "value": list(given)}))
            except Exception as error:
                report(self.key, "failed", "%s: %s" % (type(error).__name__, error))
        elif method == "emit":
            answer(request, lambda: [self.io.emit(args[0], *each) for each in args[1]] and None)
        else:
            answer(request, {"transport": self.transport, "disconnect": self.io.disconnect}[method])

    def transport(self):
        return getattr(self.io, "transport_name", None) or self.io._transport_name


clients = {}
for request in requests():
    key = request["key"]
    if request["method"] == "open":
        answer(request, lambda: clients.__setitem__(key, Client(key, request["args"][0])))
    else:
        clients[key].requests.put(request)
