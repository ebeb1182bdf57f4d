// A service: HTTP, worker threads, files, child processes, crypto, compression. GET / does all of it.
const http = require('http'), fs = require('fs'), os = require('os'), path = require('path'), zlib = require('zlib'), crypto = require('crypto');
const { Worker, isMainThread, parentPort } = require('worker_threads');
const { execFile, fork } = require('child_process');
const dns = require('dns');

if (!isMainThread) {
	parentPort.postMessage(crypto.createHash('sha256').update('work').digest('hex').length);
} else if (process.argv[2] === 'child') {
	process.send('from the child');
} else if (process.argv[2] === 'client') {
	Promise.all(Array.from({ length: 20 }, () => fetch('http://127.0.0.1:3000/').then(r => r.text()))).then(all => {
		console.log([...new Set(all)].join());
	});
} else {
	const promise = f => new Promise((ok, fail) => f((e, v) => e ? fail(e) : ok(v)));
	const all = async () => {
		const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'n-'));
		const watcher = fs.watch(dir, () => {});
		await fs.promises.writeFile(dir + '/f', zlib.gzipSync('content'));
		const text = zlib.gunzipSync(await fs.promises.readFile(dir + '/f')).toString();
		await fs.promises.copyFile(dir + '/f', dir + '/g');
		watcher.close();
		fs.rmSync(dir, { recursive: true });
		const size = await new Promise((ok, fail) => new Worker(__filename).on('message', ok).on('error', fail));
		await promise(done => execFile('true', done));
		const said = await new Promise((ok, fail) => fork(__filename, ['child']).on('message', ok).on('error', fail));
		await promise(done => crypto.pbkdf2('a', 'b', 1000, 32, 'sha512', done));
		await promise(done => dns.lookup('localhost', done));
		os.networkInterfaces(); os.cpus(); os.userInfo();
		return `${text} ${size} ${said}`;
	};
	http.createServer((req, res) => all().then(t => res.end(t), e => { res.statusCode = 500; res.end(String(e.stack)); })).listen(3000);
	process.on('SIGTERM', () => process.exit(0));
	process.on('SIGHUP', () => console.log('reopened'));
}
