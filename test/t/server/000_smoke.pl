# The extension can be created if the library is preloaded; without the library,
# the error names it.
use strict;
use warnings;

use JadugarTest;
use Test::More;

my $without = new_cluster('without', shared_preload_libraries => '');
my $error = psql_error($without, 'CREATE EXTENSION jadugar');

like($error, qr/ERROR:/, 'not preloaded: CREATE EXTENSION fails');
like($error, qr/HINT:.*shared_preload_libraries/,
	'not preloaded: the hint names shared_preload_libraries');
$without->stop;

my $node = new_cluster('main');
my $config = $node->safe_psql('postgres',
	"SELECT setting FROM pg_config() WHERE name = 'PKGLIBDIR'");

like($config, qr{/build/pg/}, 'the server is the staged one') if $ENV{JADUGAR_TEST_RUN};
is(psql_error($node, 'CREATE EXTENSION jadugar'), '', 'preloaded: CREATE EXTENSION works');
is( $node->safe_psql('postgres',
		"SELECT extversion FROM pg_extension WHERE extname = 'jadugar'"),
	'1.0', 'the version of the extension');
$node->stop;

done_testing();
