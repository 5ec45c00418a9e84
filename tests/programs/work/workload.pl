# Prints only what does not depend on addresses or on the order of hashes.
use strict;
use warnings;
use Digest::SHA qw(sha1_hex);
use List::Util qw(sum shuffle);

my $seed = 12345;
sub rnd { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return +($seed >> 12) % $_[0] }

my (%count, @words);
for (1 .. 120000) {
    my $word = join '', map { chr(97 + rnd(8)) } 1 .. 1 + rnd(7);
    push @words, $word;
    $count{$word}++;
}
my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 9];
print "words ", scalar(keys %count), " top @top\n";

my $text = join ' ', @words;
my $found = () = $text =~ /\b(?:ab?c|(d+)e\w*f)\b/g;
(my $changed = $text) =~ s/(\w)(\w+)/$2$1/g;
print "regex $found ", sha1_hex($changed), "\n";

my $deep = {};
for my $w (@words[0 .. 20000]) {
    my $at = $deep;
    $at = $at->{$_} //= {} for split //, $w;
    push @{ $at->{' '} }, length $w;
}
sub size { my $n = shift; return ref $n eq 'HASH' ? 1 + sum(0, map { size($_) } values %$n) : 0 }
print "tree ", size($deep), "\n";
undef $deep;

my @rows = map { { id => $_, key => $words[$_], list => [1 .. rnd(20)] } } 0 .. 30000;
@rows = sort { $a->{key} cmp $b->{key} || $a->{id} <=> $b->{id} } @rows;
print "sorted ", sha1_hex(join ',', map { "$_->{id}:" . scalar @{ $_->{list} } } @rows), "\n";

my $blob = pack 'N*', map { rnd(1 << 16) } 1 .. 100000;
my $more = '';
$more .= substr $blob, rnd(300000), rnd(5000) for 1 .. 2000;
print "packed ", length $more, " ", sha1_hex($more), "\n";

for my $child (1 .. 4) {
    pipe my $read, my $write or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        close $read;
        print {$write} sha1_hex(join '-', map { $_ x $child } @words[0 .. 5000]), "\n";
        close $write;
        exit $child;
    }
    close $write;
    my $line = <$read>;
    waitpid $pid, 0;
    print "child $child: ", $? >> 8, " $line";
}
open my $out, '>', 'rows.txt' or die "rows.txt: $!";
print {$out} "$_->{id} $_->{key}\n" for @rows;
close $out or die "rows.txt: $!";
print `sort -rn rows.txt | head -3`;
eval { die { code => 42, text => 'x' x 100000 } };
print "caught $@->{code} ", length $@->{text}, "\n";
