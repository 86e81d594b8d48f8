#!/usr/bin/perl
# A payment service for run_http.sql: perl payment_service.pl PORT
#
#	POST /charges {"order", "amount", "card"}	201, or 402 if the card is declined
#	POST /refunds {"order", "amount"}			201
#	GET /ledger									[{"order_id", "amount"}, ...]
#
# It keeps the Idempotency-Key of each request that it has answered, and answers a
# second one as the first. It fails as services do: now and then it answers 503, is slow,
# or closes the connection after the charge has been made; and every 100 requests it is
# away for two seconds.
use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw(sleep time);

my $port = shift // die "usage: payment_service.pl PORT\n";
my %connection;    # by descriptor: socket, in, out, and when out is to be sent
my %answered;      # by key: status and body
my @ledger;
my $requests = 0;

# What a new request is answered: status and body.
sub answer_new
{
	my ($path, $body) = @_;

	return (404, { error => 'unknown path' }) if $path !~ m{^/(charges|refunds)$};
	return (402, { error => 'card declined' }) if ($body->{card} // '') eq 'declined';
	my $amount = $path eq '/charges' ? $body->{amount} : -$body->{amount};
	push @ledger, { order_id => $body->{order}, amount => $amount };
	return (201, { order => $body->{order}, amount => $body->{amount}, entry => scalar @ledger });
}

sub text_of
{
	my ($status, $body) = @_;
	my $json = encode_json($body);

	return join "\r\n", "HTTP/1.1 $status Answer", 'Content-Type: application/json',
	  'Content-Length: ' . length $json, '', $json;
}

# Answers a whole request of a connection; false: it is not there yet.
sub take_request
{
	my ($c) = @_;
	my ($head, $rest) = $c->{in} =~ /^(.*?\r\n)\r\n(.*)$/s or return 0;
	my ($path) = $head =~ /^\S+ (\S+)/;
	my ($size) = $head =~ /^Content-Length: *(\d+)/mi;
	my ($key) = $head =~ /^Idempotency-Key: *(\S+)/mi;

	return 0 if length $rest < ($size // 0);
	$c->{in} = substr $rest, $size // 0;
	$c->{at} = time;
	$requests++;
	if ($path eq '/ledger')
	{
		$c->{out} .= text_of(200, \@ledger);
		return 1;
	}
	if (rand() < 0.05)
	{
		$c->{out} .= text_of(503, { error => 'try again' });
		return 1;
	}
	$answered{$key} //= [ answer_new($path, decode_json(substr $rest, 0, $size)) ];
	$c->{out} .= text_of(@{ $answered{$key} });
	$c->{close} = rand() < 0.03;
	$c->{at} += 2 if rand() < 0.05;
	return 1;
}

sub drop
{
	my ($select, $c) = @_;

	$select->remove($c->{socket});
	delete $connection{ fileno $c->{socket} };
	close $c->{socket};
	return;
}

sub serve_until_away
{
	my $listen = IO::Socket::INET->new(Listen => 128, LocalAddr => '127.0.0.1', LocalPort => $port, ReuseAddr => 1)
	  or die "cannot listen on port $port: $!\n";
	my $select = IO::Select->new($listen);
	my $until = $requests + 100;

	while ($requests < $until || grep { $_->{at} > time } values %connection)
	{
		foreach my $socket ($select->can_read(0.01))
		{
			if ($socket == $listen)
			{
				my $new = $listen->accept or next;
				$select->add($new);
				$connection{ fileno $new } = { socket => $new, in => '', out => '', at => 0 };
				next;
			}
			my $c = $connection{ fileno $socket };
			sysread($socket, $c->{in}, 65536, length $c->{in}) or drop($select, $c), next;
			1 while take_request($c);
		}
		foreach my $c (grep { $_->{out} ne '' && $_->{at} <= time } values %connection)
		{
			syswrite $c->{socket}, delete $c->{out} unless $c->{close};
			$c->{out} = '';
			drop($select, $c) if $c->{close};
		}
	}
	drop($select, $_) foreach values %connection;
	return;
}

local $SIG{PIPE} = 'IGNORE';
for (;;)
{
	serve_until_away();
	sleep 2;
}
