#!/bin/bash
# What scripts do with bash and coreutils. Ends with "all done". $1 is a directory that may be written.
set -euo pipefail
cd "$1"
mkdir -p a/b c
seq 1 20000 >a/numbers
cp -a a a2 && cp --sparse=always --reflink=auto a/numbers a/b/copy && mv a2 c/
ln a/numbers a/hard && ln -s numbers a/soft && readlink -f a/soft >/dev/null
install -m 640 a/numbers c/installed && touch -d yesterday c/installed && chmod -R u+rwX c
sort -R a/numbers --parallel=2 -S 1M | sort -n | uniq -c | tail -1 | grep -w 20000 >/dev/null
split -n 4 a/numbers part. && cat part.* | cmp - a/numbers && shred -u part.aa
tar -czf all.tgz a c && mkdir t && tar -xzf all.tgz -C t && diff -r a t/a
find . -type f ! -name sums -print0 | xargs -0 -P 4 -n 2 sha256sum >sums && sha256sum --quiet -c sums
dd if=/dev/zero of=zeros bs=4k count=64 conv=fsync status=none && truncate -s 1M zeros && fallocate -l 2M zeros
df -h . >/dev/null; du -s . >/dev/null; stat -f . >/dev/null; ls -laR --color=always . >/dev/null; sync zeros
mkfifo pipe && (echo through >pipe & read -r line <pipe; [ "$line" = through ]; wait)
timeout 5 sleep 0.1; nice -n 5 true; nohup true 2>/dev/null; stdbuf -oL echo x | tee copy >/dev/null
[ "$(timeout 0.2 sleep 5; echo $?)" = 124 ]
coproc cat; echo hi >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; [ "$line" = hi ]; kill "$COPROC_PID"; wait || true
trap 'got=1' USR1; kill -USR1 $$; [ "$got" = 1 ]
ulimit -n >/dev/null; umask 027; (ulimit -c 0); id >/dev/null; nproc >/dev/null; uname -a >/dev/null; date -u >/dev/null; uptime >/dev/null 2>&1 || true
diff <(sort a/numbers) <(sort a/numbers); factor 1234567890123 >/dev/null; tail -f a/numbers --pid=$$ >/dev/null & kill $!; wait || true
exec 5<>/dev/null; flock 5; mktemp -p . >/dev/null; chown "$(id -u):$(id -g)" copy; tac a/numbers | sed -n 1p | grep -qx 20000
[ "$(id -u)" != 0 ] || { chown 1000:1000 copy; mknod node p; chroot / true; su -s /bin/sh nobody -c true; }
rm -r a c t; echo all done
