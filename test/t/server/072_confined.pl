# Confined roles in sessions of their own: what SET ROLE reaches, on a standby, in
# a restored database where other roles have the OIDs, and after a role was
# dropped.
use strict;
use warnings;

use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $from = new_cluster('from', -streaming => 1);
my $to = new_cluster('to');

# The same names have other OIDs there, and one OID belongs to another name.
$from->safe_psql('postgres', 'CREATE ROLE acme LOGIN; CREATE ROLE globex LOGIN; CREATE ROLE pooler LOGIN IN ROLE acme, globex; CREATE ROLE team');
$to->safe_psql('postgres', 'CREATE ROLE globex LOGIN; CREATE ROLE acme LOGIN; CREATE ROLE pooler LOGIN; CREATE ROLE team');

create_extension($from, 'app');
$from->safe_psql('app', q{
	SELECT jadugar.grant_access(r) FROM unnest('{acme, globex, team}'::text[]) r;
	SELECT jadugar.create_tenant('acme'), jadugar.create_tenant('globex');
	SELECT jadugar.enqueue('SELECT 1', delay => '1 day', owner => r, tenant => t)
	FROM unnest('{acme, globex}'::text[]) r, unnest('{acme, globex, NULL}'::text[]) t;
	SELECT jadugar.grant_tenant('acme', 'acme'), jadugar.grant_tenant('globex', 'globex')});

my $seen = q{SELECT owner || ':' || coalesce(tenant, '') FROM jadugar.tasks ORDER BY 1};
my %all = (
	acme => "acme:acme\nglobex:acme",
	globex => "acme:globex\nglobex:globex");

sub as
{
	my ($node, $role, $sql) = @_;

	return $node->safe_psql('app', $sql, extra_params => [ '-U', $role ]);
}

sub sees
{
	my ($node, $what) = @_;

	is(as($node, $_, $seen), $all{$_}, "$what: $_ sees its tenant") foreach sort keys %all;
	return;
}

sees($from, 'by login');

# ---------------------------------------------------------------- SET ROLE

# A pooler that inherits the rights of both is confined to both; as one of them,
# to that one. Then RESET ROLE is the pooler's.
is(as($from, 'pooler', 'SELECT count(*) FROM jadugar.tasks'), '4', 'a member has the tenants of both');
is(as($from, 'pooler', "SET ROLE acme; $seen"), $all{acme}, 'SET ROLE confines to one');
is(as($from, 'pooler', "SET ROLE acme; RESET ROLE; SELECT count(*) FROM jadugar.tasks"), '4', 'RESET ROLE');
my ($rc, $stdout, $stderr) = $from->psql('app', 'SET ROLE globex', extra_params => [ '-U', 'acme' ]);
like($stderr, qr/permission denied to set role "globex"/, 'a confined role cannot become another one');

# A group that has access and is not confined is a way out, of which grant_tenant() warns.
$from->safe_psql('postgres', 'GRANT team TO acme');
($rc, $stdout, $stderr) = $from->psql('app', q{SELECT jadugar.grant_tenant('acme', 'acme')});
like($stderr, qr/WARNING:  role "acme" can leave its tenants/, 'grant_tenant() warns of a way out');
is(as($from, 'acme', $seen), $all{acme}, 'membership in it changes nothing by itself');
is(as($from, 'acme', "SET ROLE team; SELECT count(*) FROM jadugar.tasks"), '0',
	'in the group it sees what the group owns');
$from->safe_psql('postgres', 'REVOKE team FROM acme');

# --------------------------------------------------------------- a standby

my $standby = new_standby('standby', $from);
$from->wait_for_catchup($standby);
sees($standby, 'standby');
$from->safe_psql('app', q{SELECT jadugar.grant_tenant('globex', 'acme', 'monitor')});
$from->wait_for_catchup($standby);
is(as($standby, 'acme', 'SELECT count(*), count(payload) FROM jadugar.tasks'), '4|2', 'a grant reaches the standby');
$from->safe_psql('app', q{SELECT jadugar.revoke_tenant('globex', 'acme')});
$standby->stop;

# ---------------------------------------------------------------- a restore

my $dir = PostgreSQL::Test::Utils::tempdir();
command_ok([ 'pg_dump', '-f', "$dir/app", '-d', $from->connstr('app') ], 'pg_dump');
$to->safe_psql('postgres', 'CREATE DATABASE app');
command_ok([ 'psql', '-q', '-f', "$dir/app", '-d', $to->connstr('app') ], 'restore');
sees($to, 'restored');
$to->safe_psql('app', 'SELECT jadugar.adopt()');
sees($to, 'adopted');
is($to->safe_psql('app', 'SELECT tenant, role, level FROM jadugar.tenant_grants ORDER BY 1'),
	"acme|acme|user\nglobex|globex|user", 'adopted: grants are of the roles by name');

# -------------------------------------------------------------- dropped roles

# The grant of a dropped role confines nobody, and goes.
$to->safe_psql('app', q{
	CREATE ROLE other LOGIN;
	SELECT jadugar.grant_access('other');
	SELECT jadugar.grant_tenant('globex', 'other');
	SELECT jadugar.revoke_access('other');
	DROP ROLE other;
	CREATE ROLE other LOGIN;
	SELECT jadugar.grant_access('other')});
is($to->safe_psql('app', q{SELECT count(*) FROM jadugar.tenant_grants WHERE role ~ '^[0-9]+$'}), '1',
	'the grant of a dropped role is shown with its OID');
is(as($to, 'other', q{SELECT jadugar.enqueue('SELECT 1', delay => '1 day', tenant => 'acme') > 0}), 't',
	'a new role of the name is not confined');

done_testing();
