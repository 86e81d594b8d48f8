# A server of HTTP/1.1 for tests, which answers as the path says, and which keeps what it
# was asked.  One process serves all connections, so a slow answer holds up no other.
#
#	/ok                 200 and {"ok": true}
#	/status/N           this status
#	/after/SECONDS      200 after a while
#	/hang               no answer
#	/drip               a byte of the body each tenth of a second, without end
#	/close, /reset      the connection ends without an answer
#	/garbage            an answer that is not HTTP
#	/size/N             a body of N bytes
#	/retry/N?in=S       status N with Retry-After: S
#	/fail/N?id=X        status 503 for the first N requests with this id, then 200
#	/hangs/N?id=X       no answer to the first N requests with this id, then 200
#	/location           302 to /ok
#	/to?url=X           302 to that URL
#	/unasked            200, and a second answer that nobody asked for
#	/kill?parent=PID    no answer: kills the process that sends requests, of that server
#	/raw?text=X         these bytes, and the connection ends
#	/header/N           200 with a header of N bytes
#	/echo               200 and what it was asked, as JSON; the header Authorization also in hex,
#	                    its first 10 kB
#
# Each request is a line of the file "log": method, path, header Idempotency-Key, time.
# Each connection is a line of another one: the address that it came to.
package HttpServer;

use strict;
use warnings;

use IO::Select;
use IO::Socket::IP;
use JSON::PP;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

my %connection;    # by descriptor: socket, in, out, and when out is to be sent
my %failed;        # how often an id has failed

# A socket that listens at that address; undefined if this is not possible.
sub listen_at
{
	my ($address, $port) = @_;

	return IO::Socket::IP->new(Listen => 512, LocalHost => $address, LocalPort => $port, ReuseAddr => 1, V6Only => 1);
}

# Is it an address of this machine?
sub can_listen
{
	my ($address) = @_;

	return defined listen_at($address, 0);
}

# Sockets at one port of all these addresses.
sub listen_at_all
{
	my ($first, @others) = @_;

	foreach my $try (1 .. 20)
	{
		my $socket = listen_at($first, 0) or last;
		my @all = ($socket, grep { defined } map { listen_at($_, $socket->sockport) } @others);
		return @all if @all == @others + 1;
	}
	die "cannot listen: $!";
}

# new(DIRECTORY [, ADDRESS...]): starts it at 127.0.0.1, or at these addresses; {port},
# {log}, and stop()
sub new
{
	my ($class, $dir, @addresses) = @_;
	my @listen = listen_at_all(@addresses ? @addresses : '127.0.0.1');
	my $self = { port => $listen[0]->sockport, log => "$dir/requests.log", accepted => "$dir/connections.log" };

	open(my $log, '>>', $self->{log}) or die "cannot write $self->{log}: $!";
	open(my $accepted, '>>', $self->{accepted}) or die "cannot write $self->{accepted}: $!";
	$_->autoflush(1) foreach $log, $accepted;
	$self->{pid} = fork() // die "cannot fork: $!";
	if ($self->{pid} == 0)
	{
		local $SIG{PIPE} = 'IGNORE';
		eval { serve(\@listen, $log, $accepted); 1 } or print STDERR "HttpServer: $@";
		POSIX::_exit(0);
	}
	return bless $self, $class;
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

# The requests so far, each a hash of method, path, key and time.
sub requests
{
	my ($self) = @_;
	my @all;

	open(my $in, '<', $self->{log}) or die "cannot read $self->{log}: $!";
	while (my $line = <$in>)
	{
		my ($method, $path, $key, $time) = split /\t/, $line;
		push @all, { method => $method, path => $path, key => $key, time => $time };
	}
	close $in;
	return @all;
}

# How many connections these addresses have accepted.
sub connections
{
	my ($self, @addresses) = @_;
	my %wanted = map { $_ => 1 } @addresses;
	my $n = 0;

	open(my $in, '<', $self->{accepted}) or die "cannot read $self->{accepted}: $!";
	while (my $address = <$in>)
	{
		chomp $address;
		$n++ if $wanted{$address};
	}
	close $in;
	return $n;
}

# --- in the child -----------------------------------------------------------------

sub answer
{
	my ($status, $body, @headers) = @_;

	$body = encode_json($body) if ref $body;
	return join "\r\n", "HTTP/1.1 $status Text", 'Content-Type: application/json',
	  'Content-Length: ' . length $body, @headers, '', $body;
}

# Kills the process "jadugar http" among the children of a postmaster.
sub kill_sender
{
	my ($parent) = @_;

	foreach my $file (glob '/proc/[0-9]*/cmdline')
	{
		open(my $in, '<', $file) or next;
		next if (readline($in) // '') !~ /jadugar http/;
		my ($pid) = $file =~ /(\d+)/;
		open(my $stat, '<', "/proc/$pid/stat") or next;
		kill 'KILL', $pid if readline($stat) =~ /^\d+ \(.*\) \S+ $parent /;
	}
	return;
}

# What a request is answered: text, seconds to wait before, and what happens then.
sub respond
{
	my ($method, $path, $headers, $body) = @_;
	my ($name, $arg) = $path =~ m{^/([a-z]+)(?:/([\d.]+))?};
	my ($query) = $path =~ /\?(.*)/;
	my %query = map { s/%(..)/chr hex $1/egr } map { split /=/, $_, 2 } split /&/, $query // '';

	$name //= '';
	return (answer(200, { ok => JSON::PP::true }), $arg, '') if $name eq 'after';
	return (answer($arg, { status => $arg + 0 }), 0, '') if $name eq 'status';
	return ('', 0, $name) if $name =~ /^(?:hang|close|reset)$/;
	kill_sender($query{parent}) if $name eq 'kill';
	return ('', 0, 'hang') if $name eq 'kill';
	return ("I speak no HTTP\r\n\r\n", 0, 'close') if $name eq 'garbage';
	return (answer(200, 'x' x $arg), 0, '') if $name eq 'size';
	return (answer($arg, {}, "Retry-After: $query{in}"), 0, '') if $name eq 'retry';
	return (answer(302, {}, 'Location: /ok'), 0, '') if $name eq 'location';
	return (answer(302, {}, "Location: $query{url}"), 0, '') if $name eq 'to';
	return (answer(200, {}) . answer(200, { evil => 1 }), 0, '') if $name eq 'unasked';
	return ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", 0, 'drip') if $name eq 'drip';
	return ($query{text}, 0, 'close') if $name eq 'raw';
	return (answer(200, {}, 'X-Large: ' . 'x' x $arg), 0, '') if $name eq 'header';
	return (answer(200, { method => $method, path => $path, headers => $headers, body => $body, authorization => unpack('H*', substr $headers->{authorization} // '', 0, 10_000) }), 0, '')
	  if $name eq 'echo';
	return ($failed{ $query{id} // '' }++ < $arg ? answer(503, {}) : answer(200, { ok => 1 }), 0, '')
	  if $name eq 'fail';
	return $failed{ $query{id} }++ < $arg ? ('', 0, 'hang') : (answer(200, { ok => 1 }), 0, '')
	  if $name eq 'hangs';
	return (answer(200, { ok => JSON::PP::true }), 0, '') if $name eq 'ok';
	return (answer(404, {}), 0, '');
}

# Takes a whole request out of what has arrived; false: it is not there yet.
sub take_request
{
	my ($c, $log) = @_;
	my ($head, $rest) = $c->{in} =~ /^(.*?\r\n)\r\n(.*)$/s or return 0;
	my ($first, @lines) = split /\r\n/, $head;
	my ($method, $path) = split / /, $first;
	my %headers = map { my ($n, $v) = split /:\s*/, $_, 2; (lc $n => $v) } @lines;
	my $size = $headers{'content-length'} // 0;

	return 0 if length $rest < $size;
	my $body = substr $rest, 0, $size;
	$c->{in} = substr $rest, $size;
	print $log join("\t", $method, $path, $headers{'idempotency-key'} // '', time), "\n";
	my ($text, $wait, $then) = respond($method, $path, \%headers, $body);
	$c->{out} .= $text;
	$c->{at} = time + $wait;
	$c->{then} = $then;
	return 1;
}

sub drop
{
	my ($select, $c, $reset) = @_;

	setsockopt($c->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $reset;
	$select->remove($c->{socket});
	delete $connection{ fileno $c->{socket} };
	close $c->{socket};
	return;
}

# Sends what is due.
sub send_due
{
	my ($select, $c) = @_;

	return if time < $c->{at};
	if (length $c->{out})
	{
		my $n = syswrite $c->{socket}, $c->{out};
		return drop($select, $c, 0) if !defined $n && !$!{EAGAIN};
		substr($c->{out}, 0, $n // 0, '');
	}
	return if length $c->{out};
	return drop($select, $c, $c->{then} eq 'reset') if $c->{then} =~ /^(?:close|reset)$/;
	($c->{out}, $c->{at}) = ('.', time + 0.1) if $c->{then} eq 'drip';
	return;
}

sub serve
{
	my ($listen, $log, $accepted) = @_;
	my $select = IO::Select->new(@$listen);
	my %listening = map { fileno $_ => 1 } @$listen;

	for (;;)
	{
		foreach my $socket ($select->can_read(0.01))
		{
			if ($listening{ fileno $socket })
			{
				my $new = $socket->accept or next;
				print $accepted $new->sockhost, "\n";
				$new->blocking(0);
				$select->add($new);
				$connection{ fileno $new } = { socket => $new, in => '', out => '', at => 0, then => '' };
				next;
			}
			my $c = $connection{ fileno $socket };
			my $n = sysread $socket, $c->{in}, 65536, length $c->{in};
			if (!$n) { drop($select, $c, 0); next }
			1 while take_request($c, $log);
		}
		send_due($select, $_) foreach grep { length $_->{out} || $_->{then} ne '' } values %connection;
	}
	return;
}

1;
