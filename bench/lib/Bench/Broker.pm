# Bench::Broker: a message broker from Debian's packages, Redis or NATS, on a
# private directory, socket or port.
package Bench::Broker;

use strict;
use warnings;

use IO::Socket::INET;
use POSIX qw(_exit);
use Time::HiRes qw(usleep);

my %program = (redis => 'redis-server', nats => 'nats-server');

# Reason why a broker is missing, or an empty string.
sub missing
{
	my ($which) = @_;

	return '' if program_of($which);
	return "the package $program{$which} is not installed";
}

sub program_of
{
	my ($which) = @_;

	return (grep { -x } map { "$_/$program{$which}" } qw(/usr/bin /usr/sbin /usr/local/bin))[0];
}

# start(WHICH, DIRECTORY): start a broker whose files are in this directory, which
# must not exist.
sub start
{
	my ($class, $which, $dir) = @_;
	my $self = bless { which => $which, dir => $dir }, $class;

	mkdir($dir) or die "$dir: $!";
	my @command = $which eq 'redis' ? $self->redis : $self->nats;
	$self->{pid} = fork() // die "fork: $!";
	if (!$self->{pid})
	{
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>', "$dir/log");
		open(STDERR, '>&', \*STDOUT);
		exec(@command) or _exit(1);
	}
	for (1 .. 500)
	{
		usleep(10_000);
		return $self if $self->answers;
	}
	die "$program{$which} does not answer, see $dir/log\n";
}

# Every write is synchronized, as a commit of PostgreSQL is.
sub redis
{
	my ($self) = @_;

	$self->{env} = { BROKER => "$self->{dir}/socket" };
	return (program_of('redis'), '--port', '0', '--unixsocket', "$self->{dir}/socket", '--dir', $self->{dir},
		'--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--daemonize', 'no');
}

# JetStream writes to files, but does not synchronize each message.
sub nats
{
	my ($self) = @_;
	my $free = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no free port: $!";

	$self->{port} = $free->sockport;
	close($free);
	$self->{env} = { BROKER => "127.0.0.1:$self->{port}" };
	return (program_of('nats'), '--addr', '127.0.0.1', '--port', $self->{port}, '--jetstream', '--store_dir', $self->{dir});
}

sub answers
{
	my ($self) = @_;

	return -S "$self->{dir}/socket" if $self->{which} eq 'redis';
	return defined IO::Socket::INET->new(PeerAddr => "127.0.0.1:$self->{port}");
}

# The environment of a driver.
sub env
{
	my ($self) = @_;

	return $self->{env}->%*;
}

sub stop
{
	my ($self) = @_;

	return if !$self->{pid};
	kill('KILL', $self->{pid});
	waitpid($self->{pid}, 0);
	unlink("$self->{dir}/socket");
	$self->{pid} = 0;
	return;
}

sub DESTROY
{
	local ($?, $@, $!);
	$_[0]->stop;
	return;
}

1;
