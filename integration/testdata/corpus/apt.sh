#!/bin/sh
# Installs packages over HTTP, with maintainer scripts that make a user and set file capabilities. Ends with "all done".
set -eu
cd /repo
python3 -m http.server --bind 127.0.0.1 8000 >/dev/null 2>&1 &
echo 'deb [trusted=yes] http://127.0.0.1:8000/ ./' >/etc/apt/sources.list
rm -f /etc/apt/sources.list.d/*
for i in $(seq 50); do curl -fs http://127.0.0.1:8000/Packages >/dev/null && break; sleep 0.3; done
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y --no-install-recommends install hello iputils-ping uuid-runtime
hello; uuidgen; ping -c 1 127.0.0.1; getcap /usr/bin/ping; getent passwd uuidd
apt-get -q -y purge hello uuid-runtime
dpkg --verify iputils-ping
echo all done
