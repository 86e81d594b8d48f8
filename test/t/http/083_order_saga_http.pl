# examples/order_saga with a payment that is an HTTP service: it fails, is slow, goes away
# and comes back, and the books balance.
use strict;
use warnings;

use IO::Socket::INET;
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $example = "$top/examples/order_saga";
my $node = new_cluster('main', 'jadugar.http_allow_addresses' => '127.0.0.0/8');
my $port = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')->sockport;
my $service = fork() // die "cannot fork: $!";
exec('perl', "$example/payment_service.pl", $port) or die "cannot start the service: $!" if $service == 0;

my ($out, $err) = run_command([ 'psql', '-X', '-d', $node->connstr('postgres'), '-v', "port=$port", '-f', "$example/run_http.sql" ]);
is($err, '', 'run_http.sql: no error');
note($out);
like($out, qr/The books are balanced/, 'it says that the books balance');
is($node->safe_psql('order_saga', 'SELECT what, found FROM public.balance WHERE balanced IS NOT TRUE'), '', 'they do');
is( $node->safe_psql('order_saga', q{
	SELECT string_agg(DISTINCT error ->> 'kind', ' ' ORDER BY error ->> 'kind') FROM jadugar.history WHERE payload ->> 'path' = '/charges'}),
	'connect reset status timeout', 'the service has failed in every way');
is( $node->safe_psql('order_saga', q{SELECT count(*) > 0 FROM jadugar.history WHERE payload ->> 'path' = '/refunds' AND status = 'completed'}),
	't', 'charges were undone');

kill 'KILL', $service;
waitpid $service, 0;
$node->stop;
done_testing();
