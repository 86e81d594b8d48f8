# A private nginx for tests, which speaks TLS and HTTP/2.  It runs as the user of the test,
# in one process, on ports of 127.0.0.1, with all of its files in one directory.
#
#	/NAME               the file of that name in {root}
#	/slow/NAME          the same at 20 kB a second
#	/stored/NAME        the file NAME.gz, with Content-Encoding: gzip
#
# A server of it is a port, with directives of its own.  Each request is a line of the log
# of its port: see requests().
package NginxServer;

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

# The program; undefined if it is not installed.
sub program
{
	return (grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin')[0];
}

# new(DIRECTORY, NAME => DIRECTIVES...): starts it; {port}{NAME}, {root} and stop()
sub new
{
	my ($class, $dir, %servers) = @_;
	my $self = { dir => $dir, root => "$dir/root" };
	my $config = "$dir/nginx.conf";

	mkdir $self->{root};
	foreach my $name (sort keys %servers)
	{
		$self->{port}{$name} = PostgreSQL::Test::Cluster::get_free_port();
	}
	append_to_file($config, configuration($self, %servers));
	$self->{pid} = fork() // die "cannot fork: $!";
	if ($self->{pid} == 0)
	{
		open(STDERR, '>>', "$dir/error.log") or die "cannot write $dir/error.log: $!";
		exec program(), '-p', $dir, '-c', $config or die "cannot start nginx: $!";
	}
	return bless $self, $class;
}

sub configuration
{
	my ($self, %servers) = @_;
	my $dir = $self->{dir};
	my $temporary = join '', map { "${_}_temp_path $dir/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
	my $all = '';

	foreach my $name (sort keys %servers)
	{
		$all .= qq{
	server {
		listen 127.0.0.1:$self->{port}{$name} $servers{$name}
		access_log $dir/$name.log test;
		root $self->{root};
		location /slow/ { alias $self->{root}/; limit_rate 20k; }
		location /stored/ { alias $self->{root}/; gzip off; gzip_static always; }
	}};
	}
	return qq{
daemon off;
master_process off;
pid $dir/nginx.pid;
error_log $dir/error.log;
worker_rlimit_nofile 1024;
events { worker_connections 500; }
http {
	$temporary
	default_type application/octet-stream;
	types { application/json json; text/plain txt; }
	gzip on;
	gzip_types text/plain;
	keepalive_timeout 60s;
	log_format test escape=json '\$request_uri\\t\$status\\t\$server_protocol\\t\$connection\\t\$ssl_protocol\\t\$ssl_client_s_dn\\t\$http_idempotency_key\\t\$sent_http_content_encoding';
	ssl_session_cache shared:tls:1m;
	$all
}
};
}

# The requests of a server so far, each a hash.
sub requests
{
	my ($self, $name) = @_;
	my @fields = qw(path status protocol connection tls client key encoding);
	my @all;

	foreach my $line (split /\n/, -e "$self->{dir}/$name.log" ? slurp_file("$self->{dir}/$name.log") : '')
	{
		my %request;

		@request{@fields} = split /\t/, $line, -1;
		push @all, \%request;
	}
	return @all;
}

# Writes a file that it serves.
sub put
{
	my ($self, $name, $contents) = @_;

	open(my $out, '>:raw', "$self->{root}/$name") or die "cannot write $name: $!";
	print $out $contents;
	return close $out;
}

sub stop
{
	my ($self) = @_;

	my $pid = delete $self->{pid} or return;

	kill 'KILL', $pid;
	return waitpid($pid, 0);
}

sub DESTROY
{
	my ($self) = @_;

	local ($?, $!) = ($?, $!);
	$self->stop;
	return;
}

1;
