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
#	/location           302 to /ok
#	/to?url=X           302 to that URL
#	/unasked            200, and a second answer that nobody asked for
#	/echo               200 and what it was asked, as JSON
#
# Each request is a line of the file "log": method, path, header Idempotency-Key, time.
package HttpServer;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

my %connection;    # by descriptor: socket, in, out, and when out is to be sent
my %failed;        # how often an id has failed

# new(DIRECTORY): starts it; {port}, {log}, and stop()
sub new
{
	my ($class, $dir) = @_;
	my $listen = IO::Socket::INET->new(Listen => 512, LocalAddr => '127.0.0.1', ReuseAddr => 1)
	  or die "cannot listen: $!";
	my $self = { port => $listen->sockport, log => "$dir/requests.log" };

	open(my $log, '>>', $self->{log}) or die "cannot write $self->{log}: $!";
	$log->autoflush(1);
	$self->{pid} = fork() // die "cannot fork: $!";
	if ($self->{pid} == 0)
	{
		local $SIG{PIPE} = 'IGNORE';
		eval { serve($listen, $log); 1 } or print STDERR "HttpServer: $@";
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

# --- in the child -----------------------------------------------------------------

sub answer
{
	my ($status, $body, @headers) = @_;

	$body = encode_json($body) if ref $body;
	return join "\r\n", "HTTP/1.1 $status Text", 'Content-Type: application/json',
	  'Content-Length: ' . length $body, @headers, '', $body;
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
	return ("I speak no HTTP\r\n\r\n", 0, 'close') if $name eq 'garbage';
	return (answer(200, 'x' x $arg), 0, '') if $name eq 'size';
	return (answer($arg, {}, "Retry-After: $query{in}"), 0, '') if $name eq 'retry';
	return (answer(302, {}, 'Location: /ok'), 0, '') if $name eq 'location';
	return (answer(302, {}, "Location: $query{url}"), 0, '') if $name eq 'to';
	return (answer(200, {}) . answer(200, { evil => 1 }), 0, '') if $name eq 'unasked';
	return ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", 0, 'drip') if $name eq 'drip';
	return (answer(200, { method => $method, path => $path, headers => $headers, body => $body }), 0, '')
	  if $name eq 'echo';
	return ($failed{ $query{id} }++ < $arg ? answer(503, {}) : answer(200, { ok => 1 }), 0, '')
	  if $name eq 'fail';
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
	my ($listen, $log) = @_;
	my $select = IO::Select->new($listen);

	for (;;)
	{
		foreach my $socket ($select->can_read(0.01))
		{
			if ($socket == $listen)
			{
				my $new = $listen->accept or next;
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
