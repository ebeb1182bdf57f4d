#!/bin/sh
# What small images do with busybox. Ends with "all done". $1 is a directory that may be written.
set -eu
cd "$1"
mkdir -p www/cgi-bin && echo page >www/index.html
httpd -f -p 127.0.0.1:8080 -h www & server=$!
for i in $(seq 50); do wget -q -O got http://127.0.0.1:8080/ && break; sleep 0.2; done
grep -q page got; kill $server
tar -czf www.tgz www && rm -r www && tar -xzf www.tgz && find www -type f | xargs cat | grep -q page
seq 1 1000 | awk '{s += $1} END {print s}' | grep -q 500500
seq 1 100 | sed -n '50p' | grep -q 50; echo text | gzip | gunzip | md5sum >/dev/null; dd if=/dev/zero of=z bs=1k count=64 2>/dev/null
nc -l -p 8081 -e cat &
for i in $(seq 50); do netstat -ltn | grep -q :8081 && break; sleep 0.2; done
echo over | nc 127.0.0.1 8081 | grep -q over
mkfifo p; (echo through >p) & grep -q through p; ps >/dev/null; top -bn1 >/dev/null; ifconfig -a >/dev/null; ip addr >/dev/null; route -n >/dev/null; netstat -an >/dev/null
df >/dev/null; du -s . >/dev/null; stat z >/dev/null; id >/dev/null; date >/dev/null; free >/dev/null; uptime >/dev/null; timeout 1 true
vi -c ':q!' z >/dev/null 2>&1 </dev/null || true; hostname >/dev/null; cp -a z z2; mv z2 z3; ln z3 z4; chmod 600 z4; touch z4; sync; sleep 0.1; nslookup localhost >/dev/null 2>&1 || true
[ "$(id -u)" != 0 ] || { chown 1000 z4; su app -c 'id -un' | grep -q app; }
echo all done
