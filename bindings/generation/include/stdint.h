/* What nativeconv.h needs of <stdint.h>, for the generator alone. With a system header int64_t is
 * long, which the generator maps to nint; long long becomes long, as it should. */
typedef signed int int32_t;
typedef unsigned int uint32_t;
typedef signed long long int64_t;
typedef unsigned long long uint64_t;
