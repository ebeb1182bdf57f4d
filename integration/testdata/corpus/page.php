<?php
session_save_path(sys_get_temp_dir());
session_start();
$_SESSION['n'] = 1;
$f = tempnam(sys_get_temp_dir(), 'p');
file_put_contents($f, random_bytes(16), LOCK_EX);
unlink($f);
echo 'says ', trim(shell_exec('echo hello')), ' ', gethostbyname('localhost'), "\n";
