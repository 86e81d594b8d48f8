# Bench::Nginx: a private nginx on a port of 127.0.0.1, in one process.
package Bench::Nginx;

use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw(usleep);

# What is missing for it, or ''.
sub missing
{
	return program() ? '' : 'nginx is not installed';
}

sub program
{
	return (grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}), '/usr/sbin')[0];
}

# start(DIR): start it with files in the directory.  It answers
#	/ok?n=N     at once; the requests are in the log, see arrivals()
#	/slow       in five seconds
sub start
{
	my ($class, $dir) = @_;
	my $port = do { IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "port: $!" }->sockport;
	my $self = bless { dir => $dir, port => $port }, $class;
	my $temporary = join '', map { "${_}_temp_path $dir/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);

	mkdir "$dir/root";
	write_file("$dir/root/slow", 'x' x 2000);
	write_file("$dir/nginx.conf", qq{
daemon off;
master_process off;
pid $dir/nginx.pid;
error_log $dir/nginx.log;
events { worker_connections 1000; }
http {
	$temporary
	keepalive_requests 10000000;
	log_format test '\$arg_n \$msec';
	server {
		listen 127.0.0.1:$port;
		root $dir/root;
		access_log off;
		location /ok { default_type application/json; return 200 '{"ok": true}'; }
		location /seen { access_log $dir/access.log test; default_type application/json; return 200 '{"ok": true}'; }
		location /slow { limit_rate 400; }
	}
}
});
	$self->{pid} = fork() // die "fork: $!";
	if (!$self->{pid})
	{
		open(STDERR, '>>', "$dir/nginx.log") or die "$dir/nginx.log: $!";
		exec(program(), '-p', $dir, '-c', "$dir/nginx.conf") or die "nginx: $!";
	}
	for (1 .. 100)
	{
		return $self if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
		usleep(50_000);
	}
	die "nginx has not started, see $dir/nginx.log\n";
}

sub write_file
{
	my ($file, $text) = @_;

	open(my $out, '>', $file) or die "$file: $!";
	print $out $text;
	return close($out);
}

# arrivals(): return n of requests to /seen => when they were answered, in microseconds
# since the epoch, rounded down to milliseconds.
sub arrivals
{
	my ($self) = @_;

	open(my $in, '<', "$self->{dir}/access.log") or return {};
	return { map { /^(\S+) (\d+)\.(\d{3})$/ ? ($1 => 1000 * ($2 * 1000 + $3)) : () } readline($in) };
}

sub stop
{
	my ($self) = @_;

	kill 'TERM', $self->{pid};
	waitpid($self->{pid}, 0);
	return;
}

1;
