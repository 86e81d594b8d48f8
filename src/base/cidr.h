/*-------------------------------------------------------------------------
 *
 * cidr.h
 *	  Ranges of IP addresses, as 10.0.0.0/8 and fd00::/8.
 *
 * Pure C: the code allocates no memory, reads nothing but its arguments, and
 * needs no server header.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_CIDR_H
#define JDG_BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* maximum number of ranges in a list */
#define JDG_CIDRS_MAX 256

typedef struct JdgCidr
{
	uint8_t		size;			/* of an address: 4 or 16 bytes */
	uint8_t		bits;			/* of the prefix */
	uint8_t		addr[16];
} JdgCidr;

/*
 * Parses a list of ranges between commas, spaces around them allowed; an
 * address without a prefix is a range of one.  Returns their number, or -1:
 * then *what is a sentence that says why, and *position the byte, from 0.
 * Ranges beyond "max" are a fault.
 */
extern int	jdg_cidrs_parse(const char *text, JdgCidr *out, int max,
							const char **what, size_t *position);

/* does the range contain an address of so many bytes? */
extern bool jdg_cidr_contains(const JdgCidr *range, const uint8_t *addr,
							  int size);

/* does one of the ranges? */
extern bool jdg_cidrs_contain(const JdgCidr *ranges, int n,
							  const uint8_t *addr, int size);

#endif							/* JDG_BASE_CIDR_H */
