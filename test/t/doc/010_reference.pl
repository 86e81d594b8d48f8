# The reference and the catalog agree.  Every function, view, type, setting and
# error of jadugar has one entry "## name" in doc/reference/ (a heading may name
# several), and every entry has its object.  An entry repeats the catalog:
#
# - a function its signature, one argument a line, and each of its arguments as
#   "- `name` (type, default value): meaning", or by name in the text;
# - a view, a composite type and a function with several results a table
#   "| column | type | meaning |";
# - a setting its type, unit, default, range and context; an error its SQLSTATE.
#
# The types of lifecycle events are those that subscribe() knows.  Links lead somewhere, examples run as typed, every object has a comment, and
# the views can be read if the library is not preloaded.
use strict;
use warnings;

use File::Basename qw(basename dirname);
use JadugarTest;
use PostgreSQL::Test::Utils;
use Test::More;

my @pages = sort glob("$top/doc/reference/*.md");

my $functions = q{
	SELECT DISTINCT p.proname FROM pg_proc p
	WHERE p.pronamespace = 'jadugar'::regnamespace};
my $views = q{
	SELECT relname FROM pg_class
	WHERE relnamespace = 'jadugar'::regnamespace AND relkind IN ('v', 'm')};
my $types = q{
	SELECT t.typname FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
	WHERE t.typnamespace = 'jadugar'::regnamespace AND t.typcategory <> 'A'
	  AND coalesce(c.relkind, 'c') = 'c'};
my $settings = q{SELECT name FROM pg_settings WHERE name LIKE 'jadugar.%'};
my $errors = q{SELECT name FROM jadugar.error_codes};

# Arguments and OUT columns, one row each, in order: function, kind, result,
# number, mode (i, b, o), name, type, default.
my $arguments = q{
	SELECT p.oid, p.proname, p.prokind, pg_get_function_result(p.oid), a.n,
	  coalesce(a.mode, 'i'), quote_ident(a.name), format_type(a.type, NULL),
	  regexp_replace(pg_get_function_arg_default(p.oid, a.n::integer), '::[\w. ]+(\[\])?$', '')
	FROM pg_proc p
	LEFT JOIN LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]),
		p.proargnames, p.proargmodes) WITH ORDINALITY a(type, name, mode, n) ON true
	WHERE p.pronamespace = 'jadugar'::regnamespace
	ORDER BY p.oid, a.n};
my $columns = q{
	SELECT c.relname, a.attname, format_type(a.atttypid, NULL)
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.relnamespace = 'jadugar'::regnamespace AND c.relkind IN ('v', 'm', 'c')
	  AND a.attnum > 0 ORDER BY c.relname, a.attnum};

my $node = new_cluster('main');
create_extension($node);

# Rows of a query, names of types as the reference writes them.
sub rows
{
	my ($query) = @_;

	my $out = $node->safe_psql('postgres', "SET search_path = pg_catalog; $query");
	$out =~ s/timestamp with time zone/timestamptz/g;
	return map { [ split /\|/, $_, -1 ] } split /\n/, $out;
}

sub names
{
	return map { $_->[0] } rows($_[0]);
}

# ------------------------------------------------------------- the pages

# Sections "## heading" as hashes: page, heading, names (of an entry, else
# none), blocks of code that are not to be run, prose (all but code).
sub sections
{
	my @sections;

	foreach my $page (@pages)
	{
		my $text = slurp_file($page);
		my @blocks;

		# not a heading inside of a block
		$text =~ s/^```(\w*)\n(.*?)^```$/push @blocks, [$1, $2]; "\0" . $#blocks . "\0"/gmse;
		foreach my $part (split /^(?=## )/m, $text)
		{
			my ($heading) = $part =~ /^## (.*)/ or next;
			my @own = map { $blocks[$_] } $part =~ /\0(\d+)\0/g;
			my @names = split /, /, $heading;

			@names = () if grep { !/^(?:jadugar\.)?[a-z_]\w*$|^[A-Z_]+$/ } @names;
			push @sections, {
				page => basename($page),
				heading => $heading,
				names => \@names,
				signatures => [ map { signatures_in($_->[1]) } grep { $_->[0] eq '' } @own ],
				examples => scalar(grep { !signatures_in($_->[1]) } @own),
				prose => $part =~ s/\0\d+\0//gr };
		}
	}
	return @sections;
}

# Signatures in a block, each on one line; no other text is allowed there.
sub signatures_in
{
	my ($block) = @_;
	my @found;

	while ($block =~ /\G\s*((?:CALL )?jadugar\.\w+\([^()]*\)(?: → [^\n]+)?)\n/gc)
	{
		push @found, $1 =~ s/\s+/ /gr =~ s/\( | (?=\))/$& eq '( ' ? '(' : ''/ger;
	}
	return $block =~ /\G\s*\z/ ? @found : ();
}

my @sections = sections();
my %entry;
foreach my $section (@sections)
{
	push @{ $entry{$_} }, $section foreach @{ $section->{names} };
}

# ------------------------------------------------------- names of entries

my %kind;
$kind{$_} = 'function' foreach names($functions);
$kind{$_} = 'view' foreach names($views);
$kind{$_} = 'type' foreach names($types);
$kind{$_} = 'setting' foreach names($settings);
$kind{$_} = 'error' foreach names($errors);

is(join(' ', grep { !$entry{$_} } sort keys %kind),
	'', 'everything has an entry in doc/reference');
is(join(' ', grep { @{ $entry{$_} } > 1 } sort keys %entry),
	'', 'nothing has two entries');

# pg_settings does not have clock_offset, a setting for developers.
my %existing = (%kind, 'jadugar.clock_offset' => 'setting');
is(join(' ', grep { !$existing{$_} } sort keys %entry), '', 'every entry is about an existing object');

is(join(' ', map { $_->{heading} } grep {
		my $section = $_;
		!$section->{examples} && grep { $existing{$_} =~ /function|view/ } @{ $section->{names} }
	} grep { !grep { !$existing{$_} } @{ $_->{names} } } @sections),
	'', 'every function and view has an example');

# ------------------------------------------------------------ signatures

# By oid: name, signature, arguments and OUT columns.
my %function;
foreach my $row (rows($arguments))
{
	my ($oid, $name, $prokind, $result, $n, $mode, $arg, $type, $default) = @$row;
	my $f = $function{$oid} //= {
		name => $name, prefix => $prokind eq 'p' ? 'CALL ' : '',
		suffix => $result eq '' ? '' : ' → ' . $result =~ s/^SETOF/setof/r,
		list => [], in => [], out => [] };

	next if $n eq '';
	push @{ $f->{list} }, join(' ', grep { $_ ne '' }
		{ i => '', b => 'INOUT', o => 'OUT' }->{$mode}, $arg eq '""' ? '' : $arg, $type,
		$default eq '' ? '' : "DEFAULT $default");
	push @{ $f->{ $mode eq 'o' ? 'out' : 'in' } },
	  { name => $arg =~ s/"//gr, type => $type, optional => $default ne '' };
}

my %signature;
foreach my $f (values %function)
{
	my $list = join(', ', @{ $f->{list} });
	$signature{"$f->{prefix}jadugar.$f->{name}($list)$f->{suffix}"} = $f;
}

my %documented;
foreach my $section (@sections)
{
	$documented{$_}++ foreach @{ $section->{signatures} };
	next if !@{ $section->{names} };
	my %named = map { $_ => 1 } @{ $section->{names} };
	my @stray = grep { !/^(?:CALL )?jadugar\.(\w+)/ || !$named{$1} } @{ $section->{signatures} };
	is("@stray", '', "$section->{page}: $section->{heading}: only its own signatures");
}
is(join("\n", grep { !$documented{$_} } sort keys %signature), '', 'every signature is documented');
is(join("\n", grep { !$signature{$_} } sort keys %documented),
	'', 'every documented signature is in the catalog');
is(join("\n", grep { $documented{$_} > 1 } sort keys %documented), '', 'no signature is documented twice');

# ------------------------------------------------------------ parameters

# Problems of the parameters in a section about these functions.
sub parameter_faults
{
	my ($prose, @functions) = @_;
	my (@faults, %seen);

	while ($prose =~ /^- ((?:`\w+`(?:, )?)+) \(([^,()]+)(, default [^()]*(?:\(\)[^()]*)*)?\): *(\S?)/gm)
	{
		my ($list, $type, $default, $text) = ($1, $2, $3, $4);

		foreach my $name ($list =~ /`(\w+)`/g)
		{
			my @args = grep { $_->{name} eq $name } map { @{ $_->{in} } } @functions;

			push @faults, "$name is no parameter" if !@args;
			push @faults, "$name is there twice" if $seen{$name}++;
			push @faults, "$name has no meaning" if $text eq '';
			push @faults, map { "$name is of type $_->{type}" } grep { $_->{type} ne $type } @args;
			push @faults, "$name: default" if grep { $_->{optional} xor defined $default } @args;
		}
	}
	foreach my $arg (map { @{ $_->{in} } } @functions)
	{
		push @faults, "$arg->{name} is not described"
		  if $arg->{name} ne '' && $prose !~ /`$arg->{name}`/;
	}
	return @faults;
}

# The first table of columns in a section, as "name type" lines.
sub columns_in
{
	my ($prose) = @_;

	my ($table) = $prose =~ /^\| column \| type \| meaning \|\n\|---\|---\|---\|\n((?:\|.*\n)+)/m
	  or return '';
	return join("\n", map { /^\| `(\w+)` \| ([^|]+) \| \S[^|]* \|$/ ? "$1 $2" : "bad row: $_" }
		  split /\n/, $table);
}

foreach my $section (grep { @{ $_->{signatures} } && @{ $_->{names} } } @sections)
{
	my @functions = grep { defined } map { $signature{$_} } @{ $section->{signatures} };
	my $label = "$section->{page}: $section->{heading}";
	my ($record) = grep { @{ $_->{out} } } @functions;

	is(join(', ', parameter_faults($section->{prose}, @functions)), '', "$label: parameters");
	is(columns_in($section->{prose}),
		join("\n", map { "$_->{name} $_->{type}" } @{ $record->{out} }), "$label: result")
	  if $record;
}

# --------------------------------------------- views, types, settings, errors

my %columns;
push @{ $columns{ $_->[0] } }, "$_->[1] $_->[2]" foreach rows($columns);
foreach my $relation (sort keys %columns)
{
	is(columns_in($entry{$relation}[0]{prose} // ''),
		join("\n", @{ $columns{$relation} }), "columns of $relation");
}

my %unit = (ms => 'milliseconds', s => 'seconds', min => 'minutes', kB => 'kilobytes');
my %context = (postmaster => 'at server start', sighup => 'on reload', user => 'in the session');
foreach my $row (rows(q{SELECT name, vartype, unit, boot_val, min_val, max_val, context
	FROM pg_settings WHERE name LIKE 'jadugar.%'}))
{
	my ($name, $type, $unit, $default, $min, $max, $when) = @$row;
	my $wanted = '- Type: ' . $type =~ s/^bool$/boolean/r . ($unit ne '' ? ", in $unit{$unit}" : '');

	$wanted .= "\n- Default: `$default`";
	$wanted .= "\n- Range: $min to $max" if $min ne '';
	$wanted .= "\n- Takes effect: $context{$when}\n";
	like($entry{$name}[0]{prose} =~ s/^(- Default: `.*`) \(.*\)$/$1/mr,
		qr/^## \S+\n\n\Q$wanted\E\n\S/, "$name is as documented");
}

is( $node->safe_psql('postgres', q{
	SELECT e.name FROM jadugar.error_codes e
	WHERE e.sqlstate !~ '^JD[0-9]{3}$' OR e.meaning = '' OR e.action = ''}),
	'', 'error codes are complete');
foreach my $row (rows('SELECT name, sqlstate FROM jadugar.error_codes'))
{
	my ($name, $sqlstate) = @$row;
	like($entry{$name}[0]{prose}, qr/^## $name\n\nSQLSTATE `$sqlstate`\. \S/, "$name is documented");
}
my %unknown;
foreach my $section (@sections)
{
	$unknown{"$section->{heading}: $_"}++
	  foreach grep { ($kind{$_} // '') ne 'error' } $section->{prose} =~ /^- `([A-Z_]+)`: /gm;
}
is(join(', ', sort keys %unknown), '', 'errors of functions are errors of jadugar');

# ------------------------------------------------------------- lifecycle events

# The types that subscribe() knows, from its hints.
sub lifecycle_types
{
	my ($pattern) = @_;

	my (undef, undef, $stderr) = $node->psql('postgres',
		"SELECT jadugar.subscribe('x', '{$pattern}', 'SELECT 1', topics => '{jadugar}')");
	my ($list) = $stderr =~ /HINT:  Its types are (.*)\.$/m;
	return split /, /, $list;
}

my @known = map { lifecycle_types(s/\*$/-/r) } lifecycle_types('-');
my ($lifecycle) = grep { $_->{heading} eq 'Lifecycle events' } @sections;
my @described = map { /`(\w+\.\w+)`/g } $lifecycle->{prose} =~ /^\| (`[^|]*) \|[^|]*\|[^|]*\|$/gm;
is_deeply([ sort @described ], [ sort @known ],
	'the reference describes the types of lifecycle events');

# --------------------------------------------------------------- comments

is( $node->safe_psql('postgres', q{
	SELECT d.object FROM (
		SELECT pg_describe_object(d.classid, d.objid, 0), obj_description(d.objid, d.classid::regclass::name)
		FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'jadugar'
		  AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objid AND c.relispartition)
		  -- row types and array types, which are members since PostgreSQL 17
		  AND NOT EXISTS (SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
			WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid
			  AND (t.typcategory = 'A' OR c.relkind IN ('r', 'p', 'v')))
		UNION ALL
		SELECT 'column ' || c.oid::regclass || '.' || a.attname, col_description(c.oid, a.attnum)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		WHERE c.relnamespace = 'jadugar'::regnamespace AND c.relkind IN ('v', 'c')) d (object, comment)
	WHERE d.comment !~ '\.$' OR d.comment IS NULL}),
	'', 'every object and every column of a view has a comment, a sentence');
is( $node->safe_psql('postgres', q{
	SELECT name FROM pg_settings WHERE name LIKE 'jadugar.%'
	AND (short_desc !~ '\.$' OR extra_desc !~ '\.$')}),
	'', 'every setting has a description, a sentence');

# ------------------------------------------------------ links and examples

# Anchors of a page, as GitHub makes them.
sub anchors
{
	my ($page) = @_;
	my $text = slurp_file($page) =~ s/^```.*?^```$//gmsr;

	return map { lc($_) =~ s/[^\w\s-]//gr =~ tr/ /-/r => 1 } $text =~ /^#+ (.*)/gm;
}

foreach my $page (@pages)
{
	my $text = slurp_file($page) =~ s/^```.*?^```$//gmsr;
	my @broken;

	foreach my $link (grep { !/^https?:/ } $text =~ /\]\(([^)]+)\)/g)
	{
		my ($file, $anchor) = $link =~ /^([^#]*)#?(.*)$/;
		my $target = $file eq '' ? $page : dirname($page) . "/$file";

		push @broken, $link if !-e $target || ($anchor ne '' && !{ anchors($target) }->{$anchor});
	}
	is("@broken", '', basename($page) . ': links lead to existing pages');
}

# The examples of each page run in order, in a database of their own.  They fail
# where a comment "-- ERROR:  ..." announces it, with that message.
foreach my $page (@pages)
{
	my $name = basename($page, '.md');
	my $db = lc "examples_$name";
	my $examples = join("\n", slurp_file($page) =~ /^```sql\n(.*?)^```$/gms);
	my $wanted = join("\n", $examples =~ /^-- (ERROR:  .*)$/gm);
	my $stderr = '';

	create_extension($node, $db);
	$node->psql($db, $examples, stderr => \$stderr, on_error_stop => 0);
	my $found = join("\n", $stderr =~ /((?:ERROR|FATAL|PANIC):  .*|invalid command.*)/g);
	is($found, $wanted, "the examples of doc/reference/$name.md run")
	  or diag($stderr);
	$node->safe_psql('postgres', "DROP DATABASE $db");
}

# The views can be read on a server that was started without the library.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is( $node->safe_psql('postgres',
		q{SELECT severity FROM jadugar.health WHERE what = 'library'}),
	'error', 'not preloaded: health says so');
foreach my $view (names($views))
{
	is(psql_error($node, "SELECT * FROM jadugar.$view"),
		'', "not preloaded: the view $view can be read");
}

$node->stop;
done_testing();
