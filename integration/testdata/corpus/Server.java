import com.sun.net.httpserver.HttpServer;
import java.net.*;
import java.net.http.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.util.concurrent.*;

/** A service: HTTP on an executor, files and locks, mapped memory, a child process, garbage. GET / does all of it. */
public class Server {
	static String work() throws Exception {
		Path dir = Files.createTempDirectory("j");
		Path file = Files.writeString(dir.resolve("f"), "content");
		try (FileChannel c = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE); FileLock l = c.lock()) {
			var map = c.map(FileChannel.MapMode.READ_WRITE, 0, 4096);
			map.put(0, (byte) 'C');
			map.force();
		}
		String text = Files.readString(file).substring(0, 7);
		try (WatchService w = dir.getFileSystem().newWatchService()) {
			dir.register(w, StandardWatchEventKinds.ENTRY_CREATE);
		}
		Files.copy(file, dir.resolve("g"));
		int code = new ProcessBuilder("sh", "-c", "exit 3").start().waitFor();
		byte[][] garbage = new byte[64][];
		for (int i = 0; i < 2000; i++) garbage[i % 64] = new byte[1 << 16];
		System.gc();
		InetAddress.getAllByName("localhost");
		NetworkInterface.getNetworkInterfaces();
		return text + " " + code;
	}

	public static void main(String[] args) throws Exception {
		HttpServer s = HttpServer.create(new InetSocketAddress(8080), 0);
		s.setExecutor(Executors.newFixedThreadPool(8));
		s.createContext("/", x -> {
			byte[] b;
			try { b = work().getBytes(); } catch (Exception e) { b = e.toString().getBytes(); }
			x.sendResponseHeaders(200, b.length);
			x.getResponseBody().write(b);
			x.close();
		});
		s.start();
		HttpClient c = HttpClient.newHttpClient();
		CompletableFuture<?>[] all = new CompletableFuture<?>[20];
		for (int i = 0; i < all.length; i++)
			all[i] = c.sendAsync(HttpRequest.newBuilder(URI.create("http://127.0.0.1:8080/")).build(), HttpResponse.BodyHandlers.ofString());
		CompletableFuture.allOf(all).join();
		System.out.println("served");
	}
}
