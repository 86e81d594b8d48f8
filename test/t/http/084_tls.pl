# HTTP tasks to a real nginx: TLS, certificates, HTTP/2, connections that are used again,
# and bodies that are compressed.
use strict;
use warnings;

use Certificates;
use HttpTasks;
use IO::Compress::Gzip qw(gzip);
use JadugarTest;
use NginxServer;
use PostgreSQL::Test::Utils;
use Test::More;

plan(skip_all => 'needs nginx') if !NginxServer::program();

my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $ca = Certificates->new($dir, 'ca');
my $other_ca = Certificates->new($dir, 'other_ca');
my @good = $ca->issue('server', names => 'DNS:localhost');
my @expired = $ca->issue('expired', names => 'DNS:localhost', from => '20200101000000Z', to => '20200201000000Z');
my %client = map { $_ => [ $ca->issue($_) ] } qw(alice bob);
my @stranger = $other_ca->issue('stranger');

sub tls
{
	my ($certificate, $key, $protocols) = @_;

	$protocols //= "TLSv1.2 TLSv1.3";
	return "ssl http2; ssl_certificate $certificate; ssl_certificate_key $key; ssl_protocols $protocols;";
}

my $nginx = NginxServer->new(
	$dir,
	good => tls(@good),
	expired => tls(@expired),
	old => tls(@good, "TLSv1.2"),
	clients => tls(@good) . " ssl_verify_client on; ssl_client_certificate $ca->{certificate};",
	plain => ';');
my $node = new_cluster('main', 'jadugar.http_allow_addresses' => '127.0.0.0/8', 'jadugar.http_idle_timeout' => '10min');
create_extension($node);
my $error = q{concat_ws(' ', status, error ->> 'code', error ->> 'kind', error ->> 'sent')};
my $refused = join ' ', ('failed SERVICE_UNAVAILABLE tls false') x 2;

# endpoint(NAME, SERVER OF NGINX, OPTION => VALUE...)
sub endpoint
{
	my ($name, $server, %options) = @_;

	return create_endpoint($node, $name, base_url => "https://localhost:$nginx->{port}{$server}",
		allow_addresses => '127.0.0.0/8', ca_file => $ca->{certificate}, %options);
}

# The error of a request that TLS prevents, of which nothing was sent.
sub is_refused
{
	my ($endpoint, $server, $message, $name) = @_;
	my $before = () = $nginx->requests($server);
	my $id = send_request($node, $endpoint, '/a.json');

	is(attempts($node, $id, $error), $refused, $name);
	is(scalar(() = $nginx->requests($server)), $before, 'and nothing is sent');
	like(attempts($node, $id, q{error ->> 'message' || ' ' || (error ->> 'detail')}), $message, 'the error says why');
	return;
}

$nginx->put('a.json', '{"a": 1}');

# --- certificates of services --------------------------------------------------------

endpoint('good', 'good');
is(ends_of($node, 'good', '/a.json'), 'completed:200', 'a certificate of a known authority');
is(($nginx->requests('good'))[-1]{tls}, 'TLSv1.3', 'TLS of the latest version');

endpoint('unknown', 'good', ca_file => $other_ca->{certificate});
is_refused('unknown', 'good', qr/certificate/, 'a certificate of another authority is refused');
endpoint('missing', 'good', ca_file => "$dir/none");
is_refused('missing', 'good', qr/certificate|CA/, 'so are all if there is no authority');
endpoint('elsewhere', 'good', base_url => "https://127.0.0.1:$nginx->{port}{good}");
is_refused('elsewhere', 'good', qr/127\.0\.0\.1/, 'a certificate of another host is refused');
endpoint('expired', 'expired');
is_refused('expired', 'expired', qr/expired/, 'so is one that has expired');

# without checks, which only superusers turn off
endpoint('trusting', 'good', ca_file => $other_ca->{certificate}, verify => 'none');
is(ends_of($node, 'trusting', '/a.json'), 'completed:200', 'an endpoint that checks nothing takes any certificate');
$node->safe_psql('postgres', q{CREATE ROLE owner; GRANT USAGE ON FOREIGN DATA WRAPPER jadugar_http TO owner});
like(psql_error($node, q{SET ROLE owner; CREATE SERVER mine FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://localhost', verify 'none')}),
	qr/permission denied to set option "verify"/, 'other roles cannot turn off the checks');
like(psql_error($node, qq{SET ROLE owner; CREATE SERVER mine FOREIGN DATA WRAPPER jadugar_http OPTIONS (base_url 'https://localhost', ca_file '$dir/ca.crt')}),
	qr/permission denied to set option "ca_file"/, 'nor choose the authority');

# a connection that was made without a check is not used with one
$node->safe_psql('postgres', q{ALTER SERVER trusting OPTIONS (SET verify 'full')});
is_refused('trusting', 'good', qr/certificate/, 'a check that is turned on again counts at once');

# --- versions ------------------------------------------------------------------------

endpoint('old', 'old');
is(ends_of($node, 'old', '/a.json'), 'completed:200', 'TLS 1.2 is allowed');
endpoint('new', 'old', tls_min => '1.3');
is_refused('new', 'old', qr/version|protocol/i, 'an endpoint with tls_min 1.3 refuses it');

# --- certificates of clients ----------------------------------------------------------

endpoint('clients', 'clients');
$node->safe_psql('postgres', "CREATE ROLE $_ LOGIN; SELECT jadugar.grant_access('$_', 'user'); GRANT USAGE ON FOREIGN SERVER clients TO $_") foreach qw(alice bob stranger nobody);

# map_certificate(ROLE, CERTIFICATE, KEY)
sub map_certificate
{
	my ($role, @files) = @_;

	return $node->safe_psql('postgres', sprintf(q{CREATE USER MAPPING FOR %s SERVER clients OPTIONS (sslcert '%s', sslkey '%s')},
		$role, map { slurp_file($_) } @files));
}

map_certificate($_, @{ $client{$_} }) foreach qw(alice bob);
map_certificate('stranger', @stranger);
foreach my $role (qw(alice bob alice bob))
{
	is(ends_of($node, 'clients', "/a.json", $role), 'completed:200', "a request of $role");
	is(($nginx->requests('clients'))[-1]{client}, "CN=$role", 'is made with the certificate of that role');
}
is(ends_of($node, 'clients', '/a.json', 'nobody'), 'failed:HTTP_STATUS', 'a role without a certificate does not use the connection of another');
is(ends_of($node, 'clients', '/a.json', 'stranger'), 'failed:HTTP_STATUS', 'nor is a certificate of another authority taken for one');
$node->safe_psql('postgres', 'DROP USER MAPPING FOR alice SERVER clients');
map_certificate('alice', @{ $client{bob} });
is(ends_of($node, 'clients', '/a.json', 'alice'), 'completed:200', 'a certificate can be replaced');
is(($nginx->requests('clients'))[-1]{client}, 'CN=bob', 'and the next request has the new one');
$node->safe_psql('postgres', sprintf(q{ALTER USER MAPPING FOR alice SERVER clients OPTIONS (SET sslkey '%s')}, slurp_file($client{alice}[1])));
is(attempts($node, send_request($node, 'clients', '/a.json', 'alice'), $error), $refused, 'a key of another certificate is an error');

# --- HTTP/2 and connections -----------------------------------------------------------

# The requests of tasks from this one on.
sub requests_since
{
	my ($server, $id) = @_;

	return grep { $_->{key} =~ /:(\d+)$/ && $1 >= $id } $nginx->requests($server);
}

# Sends so many at the same time, and returns the requests that nginx has seen.
sub send_many
{
	my ($endpoint, $server, $n, $path) = @_;
	my $id = $node->safe_psql('postgres', qq{SELECT min(jadugar.call_service('$endpoint', '$path')) FROM generate_series(1, $n)});

	poll($node, 'SELECT count(*) FROM jadugar.tasks', '0');
	is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT status || attempt, ' ') FROM jadugar.history WHERE task_id >= $id"), 'completed1',
		"$n requests to $endpoint complete");
	return requests_since($server, $id);
}

# The number of different values.
sub different
{
	my ($field, @requests) = @_;
	my %seen = map { $_->{$field} => 1 } @requests;

	return scalar keys %seen;
}

$nginx->put('big.json', '"' . 'x' x 10000 . '"');
endpoint('two', 'good', http_version => '2', max_concurrency => '30');
ends_of($node, 'two', '/a.json');
my @many = send_many('two', 'good', 60, '/slow/big.json');
is(scalar @many, 60, 'each is sent once');
is(join(' ', map { $_->{protocol} } @many[ 0, -1 ]), 'HTTP/2.0 HTTP/2.0', 'by HTTP/2');
is(different('connection', @many), 1, 'all on one connection');
my $most = $node->safe_psql('postgres', q{SELECT max(n) FROM (SELECT (SELECT count(*) FROM jadugar.history b WHERE b.started_at <= a.started_at
	AND b.finished_at > a.started_at AND b.payload ->> 'path' = '/slow/big.json') AS n FROM jadugar.history a WHERE a.payload ->> 'path' = '/slow/big.json') x});
is($most, 30, 'as many at the same time as the endpoint says');

# the first ones of a new connection, too
$nginx->put('large.json', '"' . 'x' x 900000 . '"');
endpoint('cold', 'good', http_version => '2', max_concurrency => '30');
@many = send_many('cold', 'good', 30, '/large.json');
is(different('connection', @many), 1, 'the first requests of an endpoint share a connection');

endpoint('automatic', 'good');
ends_of($node, 'automatic', '/a.json');
@many = send_many('automatic', 'good', 20, '/a.json');
is(($many[0])->{protocol}, 'HTTP/1.1', 'http_version auto is HTTP/1.1');
cmp_ok(different('connection', @many), '<=', 16, 'with as many connections as requests at a time');
my %before = map { $_->{connection} => 1 } @many;
@many = map { ends_of($node, 'automatic', '/a.json'); ($nginx->requests('good'))[-1] } 1 .. 5;
is(scalar(grep { !$before{ $_->{connection} } } @many), 0, 'which later requests use again');
endpoint('careful', 'good', unsafe => 'fail');
my $posts = $node->safe_psql('postgres', q{SELECT string_agg(jadugar.call_service('careful', '/a.json', 'POST', retries => 1, expect => '{"405"}')::text, ',') FROM generate_series(1, 3)});
wait_ended($node, $_) foreach split /,/, $posts;
@many = requests_since('good', (split /,/, $posts)[0]);
is(different('connection', @many), 3, 'requests that must not be sent twice have connections of their own');

# an endpoint with HTTP/2 takes a service that has none
endpoint('plain', 'plain', base_url => "http://localhost:$nginx->{port}{plain}", http_version => '2');
is(ends_of($node, 'plain', '/a.json'), 'completed:200', 'http_version 2 without TLS');
is(($nginx->requests('plain'))[-1]{protocol}, 'HTTP/1.1', 'is HTTP/1.1');

# --- compression ------------------------------------------------------------------------

# The most memory that the process has had, in kB.
sub memory
{
	my $pid = wait_for_process($node, 'http');

	return slurp_file("/proc/$pid/status") =~ /^VmHWM:\s+(\d+) kB/m ? $1 : die 'no VmHWM';
}

$nginx->put('text.txt', 'words ' x 5000);
my $body = q{concat_ws(' ', status, result ->> 'encoding', result ->> 'size', result ->> 'truncated', length(result ->> 'body'))};
is(attempts($node, send_request($node, 'good', '/text.txt'), $body), 'completed text 30000 false 30000', 'a compressed text');
is(($nginx->requests('good'))[-1]{encoding}, 'gzip', 'was sent compressed');

my $zeros = "\0" x 100_000_000;
gzip(\$zeros => \my $bomb);
undef $zeros;
$nginx->put('bomb.gz', $bomb);
cmp_ok(length $bomb, '<', 200_000, 'a small body that is large when decoded');
my $memory = memory();
is(attempts($node, send_request($node, 'two', '/stored/bomb', undef, q{response => 'base64'}), q{status || (result ->> 'truncated')}), 'completedtrue', 'is cut, and the task completes')
  foreach 1 .. 3;
is($node->safe_psql('postgres', q{SELECT max(octet_length(body_bytes)) <= 1048576 FROM jadugar.history, jadugar.http_response(task_id) WHERE payload ->> 'path' = '/stored/bomb'}), 't', 'to max_response');
cmp_ok(memory() - $memory, '<', 30_000, 'memory does not grow with it');
is(ends_of($node, 'two', '/a.json'), 'completed:200', 'other requests go on');

$nginx->put('broken.gz', 'this is not gzip');
is(attempts($node, send_request($node, 'good', '/stored/broken'), q{status || ':' || (result ->> 'truncated')}), 'completed:true', 'what cannot be decoded is no error: the status counts');

$node->stop;
$nginx->stop;
done_testing();
