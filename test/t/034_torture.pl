# A short run of the crash machine, see test/torture/README.md; "make torture"
# runs it for as long as is wanted.
use strict;
use warnings;

use File::Basename qw(dirname);
use JadugarTest;

$ENV{ROUNDS} ||= 5;
$ENV{EVENTS} ||= 'crash terminate cancel kill_server fill_disk jump fault';
require(dirname(__FILE__) . '/../torture/torture.pl');
