# The reference and the catalog say the same: every function, view, type and
# setting of jadugar has one entry "## name..." in doc/reference/ and a comment,
# no entry is without its object, and the examples run as typed.  And the views
# can be read where the library is not preloaded.
use strict;
use warnings;

use File::Basename qw(basename dirname);
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(dirname(dirname(__FILE__)));
my @pages = sort glob("$root/doc/reference/*.md");

# The entries: name => how many.  The text of a code block is no heading.
sub entries
{
	my %found;

	foreach my $page (@pages)
	{
		my $text = slurp_file($page) =~ s/^```.*?^```$//gmsr;

		# other headings have spaces
		$found{$1}++
		  while $text =~ /^#{2,3} (?:Type |CALL )?`?(?:jadugar\.(?=\w+\())?([a-z_][\w.]*)(?:\(.*)?$/gm;
	}
	return %found;
}

# Functions that only serve a type, an operator or a cast are no one's to call.
my $functions = q{
	SELECT DISTINCT p.proname FROM pg_proc p
	WHERE p.pronamespace = 'jadugar'::regnamespace
	  AND p.proname !~ '^_'
	  AND NOT EXISTS (SELECT FROM pg_operator o WHERE o.oprcode = p.oid)
	  AND NOT EXISTS (SELECT FROM pg_cast c WHERE c.castfunc = p.oid)
	  AND NOT EXISTS (SELECT FROM pg_amproc a WHERE a.amproc = p.oid)
	  AND NOT EXISTS (SELECT FROM pg_type t WHERE p.oid IN
		(t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout))};
my $views = q{
	SELECT relname FROM pg_class
	WHERE relnamespace = 'jadugar'::regnamespace AND relkind IN ('v', 'm')
	  AND relname !~ '^_'};
my $types = q{
	SELECT t.typname FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
	WHERE t.typnamespace = 'jadugar'::regnamespace AND t.typcategory <> 'A'
	  AND coalesce(c.relkind, 'c') = 'c'};
my $settings = q{SELECT name FROM pg_settings WHERE name LIKE 'jadugar.%'};

my $node = new_cluster('main');
create_extension($node);

my %entries = entries();
my @objects;
foreach my $query ($functions, $views, $types, $settings)
{
	push @objects, split /\n/, $node->safe_psql('postgres', $query);
}
my %objects = map { $_ => 1 } @objects;

is(join(' ', grep { !$entries{$_} } sort keys %objects),
	'', 'everything has an entry in doc/reference');
is(join(' ', grep { $entries{$_} > 1 } sort keys %entries),
	'', 'nothing has two entries');

# Also what needs no entry may have one, and clock_offset, a developer's
# setting, is not in pg_settings.
$objects{$_} = 1
  foreach 'jadugar.clock_offset',
  split /\n/, $node->safe_psql('postgres',
	q{SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'jadugar'::regnamespace});
is(join(' ', grep { !$objects{$_} } sort keys %entries),
	'', 'every entry is about something that is there');

is( $node->safe_psql('postgres', q{
	SELECT p.oid::regprocedure::text FROM pg_proc p
	WHERE p.pronamespace = 'jadugar'::regnamespace
	  AND obj_description(p.oid, 'pg_proc') IS NULL
	UNION ALL
	SELECT 'relation ' || c.oid::regclass FROM pg_class c
	WHERE c.relnamespace = 'jadugar'::regnamespace AND c.relkind IN ('r', 'p', 'v')
	  AND NOT c.relispartition
	  AND obj_description(c.oid, 'pg_class') IS NULL
	UNION ALL
	SELECT 'type ' || t.oid::regtype FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
	WHERE t.typnamespace = 'jadugar'::regnamespace AND t.typcategory <> 'A'
	  AND coalesce(c.relkind, 'c') = 'c'
	  AND obj_description(t.oid, 'pg_type') IS NULL}),
	'', 'everything has a comment');
is( $node->safe_psql('postgres',
		q{SELECT name FROM pg_settings WHERE name LIKE 'jadugar.%' AND short_desc = ''}),
	'', 'every setting has a description');

# What users and checks rely on.
is( $node->safe_psql('postgres', q{
	SELECT e.name FROM jadugar.error_codes e
	WHERE e.sqlstate !~ '^JD[0-9]{3}$' OR e.meaning = '' OR e.action = ''}),
	'', 'error codes are complete');
my $errors_page = slurp_file("$root/doc/reference/errors.md");
foreach my $row (split /\n/,
	$node->safe_psql('postgres', 'SELECT sqlstate, name FROM jadugar.error_codes'))
{
	my ($sqlstate, $name) = split /\|/, $row;

	like($errors_page, qr/^\| $sqlstate \| $name \|/m, "$name is documented");
}

# Each page's examples, in order, in a database of their own.  They fail where
# a comment "-- ERROR:  ..." says so, with that message.
foreach my $page (@pages)
{
	my $name = basename($page, '.md');
	my $db = lc "examples_$name";
	my $examples = join("\n", slurp_file($page) =~ /^```sql\n(.*?)^```$/gms);
	my $wanted = join("\n", $examples =~ /^-- (ERROR:  .*)$/gm);
	my $stderr = '';

	create_extension($node, $db);
	$node->psql($db, $examples, stderr => \$stderr, on_error_stop => 0);
	my $errors = join("\n", $stderr =~ /((?:ERROR|FATAL|PANIC):  .*|invalid command.*)/g);
	is($errors, $wanted, "the examples of doc/reference/$name.md run")
	  or diag($stderr);
	$node->safe_psql('postgres', "DROP DATABASE $db");
}

# A server that was started without the library can still be looked at.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is( $node->safe_psql('postgres',
		q{SELECT severity FROM jadugar.health WHERE what = 'library'}),
	'error', 'not preloaded: health says so');
foreach my $view (split /\n/, $node->safe_psql('postgres', $views))
{
	is(psql_error($node, "SELECT * FROM jadugar.$view"),
		'', "not preloaded: the view $view can be read");
}

$node->stop;
done_testing();
