"""A bad client of the API, as a program of its own: bad_client.py SOCKET KIND. It says `bad` when it is at its worst, and goes on until it is ended."""

import re
import select
import socket
import sys
import threading
import time

HEAD = b"POST /v1/networks HTTP/1.1\r\nHost: x\r\n"
READ = b"GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def dial(path):
    made = socket.socket(socket.AF_UNIX)
    made.connect(path)  # waits while others are ahead
    made.settimeout(20)
    return made


def send(client, data):
    """What the daemon takes; it may have hung up."""
    try:
        client.sendall(data)
        return True
    except OSError:
        return False


def ready():
    print("bad", flush=True)


def held(path, count, data):
    """So many connections that have sent this and say no more."""
    clients = [dial(path) for _ in range(count)]
    for client in clients:
        send(client, data)
    ready()
    select.select([], [], [])


def silent(path):
    held(path, 200, b"")


def half(path):
    """Each has almost sent a body as large as one may be."""
    held(path, 200, HEAD + b"Content-Length: 262000\r\n\r\n" + b" " * 261000)


def chunk(path):
    """Each sends the head of a chunk that does not end."""
    held(path, 200, CHUNKED + b"0" * 280000)


def deaf(path):
    """Each asks and never reads."""
    held(path, 200, READ * 100)


def deaf_to_long_lists(path):
    held(path, 200, b"GET /v1/publications HTTP/1.1\r\nHost: x\r\n\r\n")


def deaf_and_pipelining(path):
    """As much as the daemon takes, from many."""
    clients = [dial(path) for _ in range(100)]
    for client in clients:
        client.setblocking(False)
        send(client, READ * 10000)
    ready()
    select.select([], [], [])


def crowd(path):
    held(path, 1000, b"")


def crowd_at_work(path):
    """A thousand, each with a request that is whole."""
    held(path, 1000, READ)


def slow(path):
    """A byte now and then, from many."""
    clients = [dial(path) for _ in range(100)]
    ready()
    data = HEAD + b"Content-Length: 1000000\r\n\r\n"
    for place in range(len(data)):
        clients = [client for client in clients if send(client, data[place:place + 1])]
        time.sleep(0.05)


def endless(path, head, more):
    ready()
    while True:
        client = dial(path)
        alive = send(client, head)
        while alive:
            alive = send(client, more)
        client.close()


def endless_head(path):
    endless(path, b"GET /v1/networks HTTP/1.1\r\n", b"X-Filler: " + b"x" * 1000 + b"\r\n")


def endless_line(path):
    endless(path, b"GET /", b"x" * 65536)


def endless_chunk(path):
    endless(path, CHUNKED + b"fffffff\r\n", b" " * 65536)


def endless_body(path):
    endless(path, HEAD + b"Content-Length: 999999999999\r\n\r\n", b" " * 65536)


def garbage(path):
    endless(path, b"", bytes(range(256)) * 16)


def drain(client):
    while client.recv(1 << 20):
        pass


def pipelining(path):
    """Asks without an end, and reads it all."""
    client = dial(path)
    threading.Thread(target=drain, args=[client], daemon=True).start()
    send(client, READ)
    ready()
    while send(client, READ * 1000):
        pass


def churn(path):
    """Connects and hangs up, as fast as it can."""
    ready()
    while True:
        dial(path).close()


def restless(path):
    """No bad one, but it never rests: it publishes and unpublishes."""
    client = dial(path)
    ready()
    body = b'{"host_port": 9001, "port": 80, "namespace": "web"}'
    publish = b"POST /v1/publications HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    while send(client, publish) and client.recv(65536):
        send(client, b"DELETE /v1/publications?host_port=9001 HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(65536)


def lists(path):
    """No bad ones either: fifty that ask for a long list again and again, and read it."""
    ask = b"GET /v1/endpoints HTTP/1.1\r\nHost: x\r\n\r\n"
    owed = {dial(path): 0 for _ in range(50)}  # bytes of an answer; 0: it has not begun
    for client in owed:
        send(client, ask)
    ready()
    while True:
        for client in select.select(owed, [], [])[0]:
            data = client.recv(1 << 20)
            if not owed[client]:
                head, _, _ = data.partition(b"\r\n\r\n")
                owed[client] = len(head) + 4 + int(re.search(rb"Content-Length: (\d+)", head)[1])
            owed[client] -= len(data)
            if not owed[client]:
                send(client, ask)


KINDS = {made.__name__: made for made in (silent, half, chunk, deaf, deaf_to_long_lists,
                                          deaf_and_pipelining, crowd, crowd_at_work, slow, endless_head, endless_line, endless_chunk, endless_body,
                                          garbage, pipelining, churn)}

if __name__ == "__main__":
    {**KINDS, "restless": restless, "lists": lists}[sys.argv[2]](sys.argv[1])
