# Answers that are odd, and databases of other encodings: the status decides, and what came
# is kept as far as it can be.
use strict;
use warnings;

use HttpServer;
use HttpTasks;
use JadugarTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

# the environment of the server says nothing about requests
local $ENV{no_proxy} = '*';
local $ENV{NO_PROXY} = '*';

my $server = HttpServer->new(PostgreSQL::Test::Utils::tempdir_short());
my $node = new_cluster('main', 'jadugar.http_allow_addresses' => '127.0.0.0/8');
create_extension($node);
my %options = (base_url => "http://127.0.0.1:$server->{port}", allow_addresses => '127.0.0.0/8');
create_endpoint($node, 'local', %options);
my $result = q{concat_ws(' ', status, result ->> 'status', result ->> 'encoding', result ->> 'truncated', result ->> 'body')};

# Sends a POST that is answered with these bytes, and returns an expression of its attempts.
sub raw
{
	my ($text, $what) = @_;
	my $query = encode_json({ text => $text =~ s/\n/\r\n/gr });

	return attempts($node, send_request($node, 'local', '/raw', 'postgres', "method => 'POST', query => \$q\$$query\$q\$"), $what);
}

# --- bodies that cannot be decoded, headers ------------------------------------------------

is(raw("HTTP/1.1 201 Created\nContent-Encoding: $_\nContent-Length: 5\n\nplain", $result), 'completed 201 none true', "Content-Encoding: $_ fails no task")
  foreach qw(utf-8 aws-chunked gzip);
is(raw("HTTP/1.1 503 Busy\nContent-Encoding: gzip\nContent-Length: 5\n\nplain", q{error ->> 'code'}), 'HTTP_STATUS HTTP_STATUS', 'nor hides its status');
is(attempts($node, send_request($node, 'local', '/header/70000'), $result), 'completed 200 json false {}', 'large headers are left out');
is(raw("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n0\nLocation: /trailer\n\n", q{result ->> 'headers'}), '{}', 'a trailer of an empty body is no header');

# --- requests ----------------------------------------------------------------------------

# What a request without a body says about it.
sub content
{
	my ($method) = @_;

	return attempts($node, send_request($node, 'local', '/echo', 'postgres', "method => '$method'"),
		q{concat_ws(' ', result #>> '{body,method}', result #>> '{body,headers,content-length}', result #>> '{body,headers,content-type}')});
}

is(content($_), "$_ 0", "a $_ without a body says so") foreach qw(POST PUT PATCH);
is(content($_), $_, "a $_ does not") foreach qw(GET DELETE);
is(attempts($node, send_request($node, 'local', '/echo', 'postgres', q{headers => '{"X-Blank": "  "}'}), q{CASE WHEN result #> '{body,headers}' ? 'x-blank' THEN 'sent' END}),
	'sent', 'a header of spaces is sent');

create_endpoint($node, 'proxied', base_url => 'http://127.0.0.1:1', proxy => "http://127.0.0.1:$server->{port}", expect => '404');
is(ends_of($node, 'proxied', '/x'), 'completed:404', 'no_proxy of the environment does not count');
is((grep { $_->{path} eq 'http://127.0.0.1:1/x' } $server->requests), 1, 'the proxy has got the request');

# --- descriptors -------------------------------------------------------------------------

# Connections that nobody uses are closed when descriptors are missing, and not 15 s later.
my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'jadugar http'});
my $room = () = glob("/proc/$pid/fd/*");
SKIP:
{
	$room += 12;
	skip('needs prlimit', 2) if system("prlimit --pid $pid --nofile=$room:$room 2>/dev/null") != 0;
	create_endpoint($node, "many_$_", %options) foreach 1 .. 8;
	my @ids = map { send_request($node, "many_$_", '/ok') } 1 .. 8;
	my $list = join ', ', @ids;
	wait_ended($node, $_) foreach @ids;
	is($node->safe_psql('postgres', "SELECT count(*) FROM jadugar.history WHERE task_id IN ($list) AND status = 'completed'"), 8, 'requests to many endpoints end without descriptors');
	is($node->safe_psql('postgres', "SELECT max(finished_at) - min(started_at) < '10 s' FROM jadugar.history WHERE task_id IN ($list)"), 't', 'and soon');
}

# --- other encodings ---------------------------------------------------------------------

# sql(DATABASE, QUERY)
sub in_database
{
	my ($database, $sql) = @_;

	return $node->safe_psql($database, "SET client_encoding = 'UTF8'; SET search_path = jadugar; $sql");
}

foreach my $encoding (qw(SQL_ASCII LATIN1))
{
	my $database = lc "db_$encoding";
	my $list = join ', ', map { "$_ '$options{$_}'" } sort keys %options;

	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' TEMPLATE template0 LOCALE 'C'");
	$node->safe_psql($database, 'CREATE EXTENSION jadugar');
	in_database($database, "CREATE SERVER local FOREIGN DATA WRAPPER jadugar_http OPTIONS ($list, headers '{\"X-Name\": \"caf\xc3\xa9\"}');
		CREATE USER MAPPING FOR PUBLIC SERVER local OPTIONS (\"user\" 'caf\xc3\xa9', password 'x')");
	my $id = in_database($database, q{SELECT call_service('local', '/raw', query => jsonb_build_object('text', E'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"\\\\u20ac"'))});
	ok(poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $id", '0', $database), "$encoding: a character that the database has not fails no task");
	is(in_database($database, "SELECT status || ' ' || (result ->> 'encoding') || ' ' || (result ->> 'body') FROM history WHERE task_id = $id"), 'completed text "\u20ac"', 'it is kept as it came');
	$id = in_database($database, q{SELECT call_service('local', '/echo')});
	poll($node, "SELECT count(*) FROM jadugar.tasks WHERE task_id = $id", '0', $database);
	is(in_database($database, "SELECT concat_ws(' ', encode(convert_to(result #>> '{body,headers,x-name}', 'UTF8'), 'hex'), result #>> '{body,headers,authorization}') FROM history WHERE task_id = $id"),
		'636166c383c2a9 Basic ***', 'headers are sent in UTF-8, and the secret is known in the answer');
}

$node->stop;
$server->stop;
done_testing();
