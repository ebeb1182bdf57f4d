// A network service on the standard library alone: threads, files, a child process. GET / does all of it.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::{env, fs, process, sync, thread, time};

fn work() -> std::io::Result<String> {
    let path = env::temp_dir().join(format!("r{:?}", thread::current().id()));
    fs::write(&path, "content")?;
    fs::copy(&path, path.with_extension("copy"))?;
    let text = fs::read_to_string(&path)?;
    fs::remove_file(&path)?;
    fs::read_dir("/")?.count();
    let (mut a, mut b) = UnixStream::pair()?;
    a.write_all(b"pair")?;
    let mut buf = [0; 4];
    b.read_exact(&mut buf)?;
    UdpSocket::bind("127.0.0.1:0")?;
    let (tx, rx) = sync::mpsc::channel();
    let t = thread::spawn(move || {
        thread::sleep(time::Duration::from_millis(5));
        tx.send(process::Command::new("true").status().map(|s| s.success())).ok();
    });
    let ok = rx.recv().unwrap()?;
    t.join().ok();
    thread::available_parallelism()?;
    Ok(format!("{text} {ok}"))
}

fn serve(mut c: TcpStream) -> std::io::Result<()> {
    c.set_nodelay(true)?;
    let mut line = String::new();
    BufReader::new(c.try_clone()?).read_line(&mut line)?;
    let body = work().unwrap_or_else(|e| e.to_string());
    write!(c, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.len(), body)
}

fn main() {
    let l = TcpListener::bind("0.0.0.0:8080").unwrap();
    for c in l.incoming().flatten() {
        thread::spawn(move || serve(c));
    }
}
