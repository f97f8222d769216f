/* What libgcc has for ppc64le's long double and zig's runtime lacks: a sum of two doubles, the larger first.
 *
 * Error-free sums and products: T. J. Dekker, "A floating-point technique for extending the available
 * precision" (1971). As in libgcc, the last bits of a result may differ from the exact one's. */

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef struct {
	double high, low;
} parts;

static parts split(long double value)
{
	parts both;
	memcpy(&both, &value, sizeof both);
	return both;
}

static long double joined(double high, double low)
{
	parts both = {high, low};
	long double value;
	memcpy(&value, &both, sizeof value);
	return value;
}

/* high + low, where |high| >= |low|. A low of 0 keeps the sign of a high of 0. */
static long double sum(double high, double low)
{
	double total = high + low;
	if (low == 0 || !isfinite(total))
		return joined(low == 0 ? high : total, 0);
	return joined(total, low - (total - high));
}

/* What a + b lost by rounding to total. */
static double lost(double a, double b, double total)
{
	double of_b = total - a;
	return (a - (total - of_b)) + (b - of_b);
}

long double __gcc_qadd(long double x, long double y)
{
	parts a = split(x), b = split(y);
	double high = a.high + b.high, low = a.low + b.low;
	if (!isfinite(high))
		return joined(high, 0);
	parts both = split(sum(high, lost(a.high, b.high, high) + low));
	return sum(both.high, both.low + lost(a.low, b.low, low));
}

long double __gcc_qsub(long double x, long double y)
{
	parts b = split(y);
	return __gcc_qadd(x, joined(-b.high, -b.low));
}

long double __gcc_qmul(long double x, long double y)
{
	parts a = split(x), b = split(y);
	double high = a.high * b.high;
	if (high == 0 || !isfinite(high))
		return joined(high, 0);
	return sum(high, __builtin_fma(a.high, b.high, -high) + (a.high * b.low + a.low * b.high));
}

long double __gcc_qdiv(long double x, long double y)
{
	parts a = split(x), b = split(y);
	double high = a.high / b.high;
	if (high == 0 || !isfinite(high) || !isfinite(b.high))
		return joined(high, 0);
	double rest = __builtin_fma(-high, b.high, a.high) + (a.low - high * b.low);
	return sum(high, rest / b.high);
}

/* Integers: cut off towards zero. */
uint64_t __fixunstfdi(long double x)
{
	parts a = split(x);
	double whole = __builtin_trunc(a.high);
	uint64_t value = whole < 0x1p64 ? (uint64_t)whole : 0;
	/* Below a fraction of high, low can change no whole number: it is less than half of high's last bit. */
	return whole == a.high ? value + (int64_t)__builtin_floor(a.low) : value;
}

int64_t __fixtfdi(long double x)
{
	parts a = split(x);
	if (a.high < 0)
		return (int64_t)-__fixunstfdi(joined(-a.high, -a.low));
	return (int64_t)__fixunstfdi(x);
}

long double __floatditf(int64_t value)
{
	double high = (double)(value >> 32) * 0x1p32, low = (double)(uint32_t)value;
	return high == 0 ? joined(low, 0) : sum(high, low);
}

long double __floatunditf(uint64_t value)
{
	double high = (double)(value >> 32) * 0x1p32, low = (double)(uint32_t)value;
	return high == 0 ? joined(low, 0) : sum(high, low);
}
