mpf_underscored() { # NAME: in $mpf_said, with _ for -
	mpf_said= mpf_rest=$1
	while :; do
		case $mpf_rest in
		*-*) mpf_said=$mpf_said${mpf_rest%%-*}_ mpf_rest=${mpf_rest#*-} ;;
		*) break ;;
		esac
	done
	mpf_said=$mpf_said$mpf_rest
}

# What GCC calls a CPU or an architecture, in zig's words: in $mpf_said, empty where there is none.
mpf_cpu() { # VALUE
	case '@ARCH@:'$1 in
	*:native | *:generic | arm:armv[67]* | riscv*:rv* | loongarch64:loongarch64)
		mpf_said=
		return
		;;
	x86*:core-avx2)
		mpf_said=haswell
		return
		;;
	powerpc*:power*)
		mpf_said=pwr${1#power}
		return
		;;
	aarch64:armv8-a*) mpf_cpu_name=generic ;;
	aarch64:armv9-a*) mpf_cpu_name=generic+v9a ;;
	aarch64:armv[89].[0-9]-a*)
		mpf_said=${1#armv} mpf_said=${mpf_said%%-*}
		mpf_cpu_name=generic+v${mpf_said%.*}_${mpf_said#*.}a
		;;
	*)
		mpf_underscored "${1%%+*}"
		mpf_cpu_name=$mpf_said
		;;
	esac
	case $1 in
	*+*) mpf_extensions=${1#*+}+ ;;
	*) mpf_extensions= ;;
	esac
	while [ -n "$mpf_extensions" ]; do
		mpf_underscored "${mpf_extensions%%+*}"
		mpf_extensions=${mpf_extensions#*+}
		case $mpf_said in
		crypto) mpf_cpu_name=$mpf_cpu_name+aes+sha2 ;;
		fp16) mpf_cpu_name=$mpf_cpu_name+fullfp16 ;;
		simd) mpf_cpu_name=$mpf_cpu_name+neon ;;
		fp) mpf_cpu_name=$mpf_cpu_name+fp_armv8 ;;
		rdma) mpf_cpu_name=$mpf_cpu_name+rdm ;;
		memtag) mpf_cpu_name=$mpf_cpu_name+mte ;;
		no*) mpf_cpu_name=$mpf_cpu_name-${mpf_said#no} ;;
		*) mpf_cpu_name=$mpf_cpu_name+$mpf_said ;;
		esac
	done
	mpf_said=$mpf_cpu_name
}
