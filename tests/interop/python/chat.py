"""One person in the chat, by a published Python client: joins, says a text, and waits for the answer.

chat.py MODULE PORT TRANSPORT OPTIONS NAME TEXT ANSWER: OPTIONS are arguments of the client, as JSON. Writes each event
as a line of JSON.
"""

import importlib
import json
import os
import sys
import time

PATIENCE = 20
module, port, transport, options, name, text, answer = sys.argv[1:]
options = json.loads(options)
heard = set()


def listener(event):
    def listen(*args):
        print(json.dumps([event, *args]), flush=True)
        heard.add(event)
        if event == 'new message' and args[0]['message'] == answer:
            heard.add('the answer')

    return listen


def of_the_socketIO_client_family():
    transports = {'polling': ['xhr-polling'], 'websocket': ['websocket'], 'upgrade': ['xhr-polling', 'websocket']}
    client = importlib.import_module(module).SocketIO(
        '127.0.0.1', int(port), wait_for_connection=False, transports=transports[transport], **options)
    return client, lambda: client.wait(seconds=0.1)


def of_python_socketio():
    client = importlib.import_module(module).Client(**options)
    transports = {'polling': ['polling'], 'websocket': ['websocket'], 'upgrade': None}
    client.connect('http://127.0.0.1:' + port, transports=transports[transport])
    return client, lambda: client.sleep(0.05)


def wait_for(event):
    deadline = time.monotonic() + PATIENCE
    while event not in heard:
        if time.monotonic() > deadline:
            sys.exit('waits for %s, heard %s' % (event, heard))
        wait()


client, wait = of_python_socketio() if module == 'socketio' else of_the_socketIO_client_family()
for event in ['login', 'new message']:
    client.on(event, listener(event))
client.emit('add user', name)
wait_for('login')
client.emit('new message', text)
wait_for('the answer')
client.disconnect()
# At the end of the interpreter, 0.5.7.4 would connect once more, to disconnect.
os._exit(0)
