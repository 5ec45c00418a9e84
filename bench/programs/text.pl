# Perl: words into hashes, strings cut and joined, records sorted. Perl allocates each scalar's text by malloc.
use strict;
use warnings;

my $turns = int(14 * $ARGV[0]) || 1;
my $state = 12345;
sub chance { $state = ($state * 1103515245 + 12345) % 2147483648; return int($state / 65536) % $_[0]; }

my $checksum = 0;
my %kept;
for my $turn (1 .. $turns) {
    my @lines = map { join ' ', map { 'w' . chance(3000) } 1 .. 12 } 1 .. 2500;
    my %seen;
    for my $line (@lines) {
        for my $word (split / /, $line) { $seen{$word}{count}++; push @{ $seen{$word}{where} }, length $line; }
    }
    my @order = sort { $seen{$b}{count} <=> $seen{$a}{count} || $a cmp $b } keys %seen;
    (my $text = join "\n", @lines) =~ s/w(\d)(\d+)/<$2:$1>/g;
    $checksum = ($checksum * 31 + length($text) + $seen{ $order[0] }{count}) % 1000000007;
    $kept{ $turn % 4 } = \%seen;
}
print "$checksum ", scalar(keys %kept), "\n";
