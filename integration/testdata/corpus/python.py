"""What Python programs do: threads, processes, asyncio, SQLite, files, HTTP. Ends with "all done"."""
import asyncio, ctypes, http.server, mmap, multiprocessing, os, random, select, shutil, signal, socket, sqlite3, subprocess, sys, tempfile, threading, time, urllib.request
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"page")

    def log_message(self, *args):
        pass


def square(n):
    return n * n


async def echo():
    async def serve(r, w):
        w.write(await r.readline())
        await w.drain()
        w.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    r, w = await asyncio.open_connection(*server.sockets[0].getsockname())
    w.write(b"line\n")
    assert await r.readline() == b"line\n"
    p = await asyncio.create_subprocess_exec("true")
    assert await p.wait() == 0
    server.close()


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d/" % server.server_port
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: urllib.request.urlopen(url).read(), range(40))) == {b"page"}
    with ProcessPoolExecutor(2) as pool:
        assert sum(pool.map(square, range(10))) == 285
    lock, queue = multiprocessing.Lock(), multiprocessing.Queue()
    with lock:
        queue.put("through")
        assert queue.get() == "through"
    asyncio.run(echo())
    with tempfile.TemporaryDirectory() as d:
        db = sqlite3.connect(d + "/db")
        db.execute("pragma journal_mode=wal")
        db.execute("create table t(x)")
        with db:
            db.executemany("insert into t values(?)", ((i,) for i in range(1000)))
        assert db.execute("select sum(x) from t").fetchone() == (499500,)
        db.close()
        with open(d + "/m", "w+b") as f:
            f.truncate(8192)
            m = mmap.mmap(f.fileno(), 8192)
            m[:5] = b"bytes"
            m.flush()
            m.close()
        shutil.copytree(d, d + "/copy")
    assert subprocess.run(["sh", "-c", "exit 3"], start_new_session=True).returncode == 3
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        socket.socket(family, socket.SOCK_DGRAM).close()
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.pause()
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.getrandom(8), os.urandom(8), os.cpu_count(), random.random(), time.sleep(0.01), socket.getaddrinfo("localhost", 80)
    socket.if_nameindex(), os.memfd_create("m"), os.pidfd_open(os.getpid()), select.epoll().close(), ctypes.CDLL(None).getpid()
    print("all done")


if __name__ == "__main__":
    main()
