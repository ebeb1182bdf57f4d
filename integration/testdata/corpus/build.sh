#!/bin/sh
# git and gcc: a project is committed, cloned, built with make and run. Ends with "all done". NORUN: what was built is not run.
set -eu
export HOME="$1" GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
cd "$1"
git init -q origin; cd origin
cat >main.c <<'C'
#include <pthread.h>
#include <stdio.h>
int part(int);
static void *run(void *n) { *(int *)n = part(*(int *)n); return n; }
int main(void) {
	pthread_t t[8]; int n[8], sum = 0;
	for (int i = 0; i < 8; i++) { n[i] = i; pthread_create(&t[i], 0, run, &n[i]); }
	for (int i = 0; i < 8; i++) { pthread_join(t[i], 0); sum += n[i]; }
	printf("sum %d\n", sum);
	return sum != 140;
}
C
echo 'int part(int n) { return n * n; }' >part.c
printf 'all: main.o part.o\n\tgcc -pthread -o main $^\n%%.o: %%.c\n\tgcc -O2 -g -flto -c $<\n' >Makefile
git add . && git commit -q -m one
git checkout -q -b topic && echo '// more' >>part.c && git commit -q -a -m two && git checkout -q - && git merge -q --no-ff -m merge topic
for i in 1 2 3 4 5 6 7 8; do echo $i >f$i; git add f$i; git commit -q -m $i; done
git gc -q --aggressive && git fsck --full >/dev/null 2>&1
cd .. && git clone -q --no-local origin copy && cd copy && git log --oneline | wc -l
make -s -j4
[ -n "${NORUN:-}" ] || ./main
git archive HEAD | tar -t >/dev/null
echo all done
