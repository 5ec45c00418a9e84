# Prints only what does not vary from run to run.
declare -A count
seed=7
for ((i = 0; i < 8000; i++)); do
    seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
    word=w$(((seed >> 12) % 700))
    count[$word]=$((${count[$word]:-0} + 1))
done
for word in "${!count[@]}"; do echo "$word ${count[$word]}"; done | sort | cksum
list=()
for ((i = 0; i < 5000; i++)); do list+=("item $i $(printf '%*s' $((i % 100)) x)"); [ $i -lt 200 ] || break; done
for ((i = 0; i < 20000; i++)); do list+=("item $i"); done
echo "${#list[@]} ${list[150]} ${list[@]: -2}"
text=${list[*]}
text=${text//item/thing}
text=${text^^}
echo "${#text}" "$(cksum <<<"$text")"
[[ $text =~ (THING\ 1[0-9]{3}).*(THING\ 19[0-9]{3}) ]] && echo "${BASH_REMATCH[1]}" "${#BASH_REMATCH[0]}"
(trap 'echo trapped' USR1; kill -USR1 $BASHPID; exit 3)
echo "status $?"
coproc tr a-z A-Z
echo hello >&"${COPROC[1]}"
exec {COPROC[1]}>&-
cat <&"${COPROC[0]}"
for i in 1 2 3; do { sleep 0.0$i; echo "$i" >out.$i; } & done
wait
cat out.1 out.2 out.3
diff <(seq 1 1000 | sort -r) <(seq 1 1000 | sort) | wc -l
f() { local depth=$1; if ((depth > 0)); then f $((depth - 1)); else echo bottom; fi; }
f 400
read -r -a words < <(seq -s ' ' 1 30000)
echo "${#words[@]} ${words[29999]}"
printf -v padded '%0200000d' 5
echo ${#padded}
mapfile -t lines < <(seq 1 50000)
echo "${#lines[@]} ${lines[-1]}"
unset lines words list count
{ (ulimit -c 0; kill -SEGV $BASHPID); } 2>/dev/null
echo "status $?"
