/*-------------------------------------------------------------------------
 *
 * address.c
 *	  Which addresses an endpoint may connect to, see address.h.
 *
 * Pure, but for jdg_address_is_own().  Addresses are compared as bytes, never
 * as text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_STANDALONE
#include "postgres.h"
#endif

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "endpoint/address.h"

typedef struct Block
{
	JdgCidr		range;
	JdgAddressClass class;
} Block;

/* special-purpose addresses of IANA's registries; the first match counts */
static const Block blocks4[] = {
	{{4, 32, {255, 255, 255, 255}}, JDG_ADDRESS_MULTICAST},
	{{4, 8, {0}}, JDG_ADDRESS_UNSPECIFIED},
	{{4, 8, {10}}, JDG_ADDRESS_PRIVATE},
	{{4, 10, {100, 64}}, JDG_ADDRESS_SHARED},
	{{4, 8, {127}}, JDG_ADDRESS_LOOPBACK},
	{{4, 32, {168, 63, 129, 16}}, JDG_ADDRESS_PLATFORM},	/* Azure */
	{{4, 16, {169, 254}}, JDG_ADDRESS_LINK_LOCAL},
	{{4, 12, {172, 16}}, JDG_ADDRESS_PRIVATE},
	{{4, 24, {192, 0, 0}}, JDG_ADDRESS_RESERVED},
	{{4, 24, {192, 0, 2}}, JDG_ADDRESS_RESERVED},
	{{4, 24, {192, 88, 99}}, JDG_ADDRESS_RESERVED},
	{{4, 16, {192, 168}}, JDG_ADDRESS_PRIVATE},
	{{4, 15, {198, 18}}, JDG_ADDRESS_RESERVED},
	{{4, 24, {198, 51, 100}}, JDG_ADDRESS_RESERVED},
	{{4, 24, {203, 0, 113}}, JDG_ADDRESS_RESERVED},
	{{4, 4, {224}}, JDG_ADDRESS_MULTICAST},
	{{4, 4, {240}}, JDG_ADDRESS_RESERVED},
};

static const Block blocks6[] = {
	{{16, 128, {0}}, JDG_ADDRESS_UNSPECIFIED},
	{{16, 128, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}, JDG_ADDRESS_LOOPBACK},
	{{16, 7, {0xfc}}, JDG_ADDRESS_UNIQUE_LOCAL},
	{{16, 10, {0xfe, 0x80}}, JDG_ADDRESS_LINK_LOCAL},
	{{16, 10, {0xfe, 0xc0}}, JDG_ADDRESS_PRIVATE},	/* site-local */
	{{16, 8, {0xff}}, JDG_ADDRESS_MULTICAST},
	{{16, 23, {0x20, 0x01}}, JDG_ADDRESS_RESERVED}, /* Teredo and others */
	{{16, 32, {0x20, 0x01, 0x0d, 0xb8}}, JDG_ADDRESS_RESERVED}, /* examples */
	{{16, 16, {0x20, 0x02}}, JDG_ADDRESS_RESERVED}, /* 6to4 */
	{{16, 20, {0x3f, 0xff}}, JDG_ADDRESS_RESERVED}, /* examples */
	{{16, 3, {0x20}}, JDG_ADDRESS_PUBLIC},
};

/* an IPv4 address in a range of IPv6, at this byte */
typedef struct Carrier
{
	JdgCidr		range;
	int			at;
	uint8_t		mask;			/* its bytes are written xor this */
} Carrier;

static const Carrier carriers[] = {
	{{16, 96, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, 12, 0},	/* mapped */
	{{16, 96, {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, 12, 0},	/* translated */
	{{16, 96, {0}}, 12, 0},		/* compatible */
	{{16, 96, {0x00, 0x64, 0xff, 0x9b}}, 12, 0},	/* NAT64 */
	{{16, 48, {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}}, 12, 0},	/* local NAT64 */
	{{16, 32, {0x20, 0x01}}, 12, 0xff}, /* Teredo: of the client */
	{{16, 16, {0x20, 0x02}}, 2, 0}, /* 6to4 */
};

bool
jdg_address_of(const struct sockaddr *sa, JdgAddress *address)
{
	memset(address, 0, sizeof(*address));
	if (sa->sa_family == AF_INET)
	{
		address->size = 4;
		memcpy(address->addr, &((const struct sockaddr_in *) sa)->sin_addr, 4);
		return true;
	}
	if (sa->sa_family == AF_INET6)
	{
		address->size = 16;
		memcpy(address->addr, &((const struct sockaddr_in6 *) sa)->sin6_addr, 16);
		return true;
	}
	return false;
}

JdgAddressClass
jdg_address_class(const JdgAddress *a)
{
	const Block *blocks = a->size == 4 ? blocks4 : blocks6;
	size_t		n = a->size == 4 ? sizeof(blocks4) / sizeof(Block)
	: sizeof(blocks6) / sizeof(Block);

	for (size_t i = 0; i < n; i++)
	{
		if (jdg_cidr_contains(&blocks[i].range, a->addr, a->size))
			return blocks[i].class;
	}
	/* what is not listed is public in IPv4, and not assigned in IPv6 */
	return a->size == 4 ? JDG_ADDRESS_PUBLIC : JDG_ADDRESS_RESERVED;
}

bool
jdg_address_inner(const JdgAddress *a, JdgAddress *inner)
{
	static const uint8_t isatap[4] = {0x00, 0x00, 0x5e, 0xfe};
	int			at = -1;
	uint8_t		mask = 0;

	memset(inner, 0, sizeof(*inner));
	if (a->size != 16)
		return false;
	/* the unspecified address and loopback are no IPv4 addresses */
	if (jdg_address_class(a) == JDG_ADDRESS_UNSPECIFIED ||
		jdg_address_class(a) == JDG_ADDRESS_LOOPBACK)
		return false;
	for (size_t i = 0; i < sizeof(carriers) / sizeof(Carrier) && at < 0; i++)
	{
		if (!jdg_cidr_contains(&carriers[i].range, a->addr, 16))
			continue;
		at = carriers[i].at;
		mask = carriers[i].mask;
	}
	/* the same with the bit of a globally unique IPv4 address */
	if (at < 0 && (a->addr[8] & ~0x02) == 0 &&
		memcmp(a->addr + 9, isatap + 1, 3) == 0)
		at = 12;
	if (at < 0)
		return false;
	inner->size = 4;
	for (int i = 0; i < 4; i++)
		inner->addr[i] = a->addr[at + i] ^ mask;
	return true;
}

/* Does a list contain the address? */
static bool
contains(const JdgCidrs *list, const JdgAddress *a)
{
	return jdg_cidrs_contain(list->ranges, list->n, a->addr, a->size);
}

/* Decides about an address, but not about one that it carries. */
static JdgAddressDecision
decide(const JdgAddress *a, bool own, const JdgAddressRules *rules)
{
	JdgAddressDecision d = {JDG_ADDRESS_ALLOWED, jdg_address_class(a)};

	if (own && d.class == JDG_ADDRESS_PUBLIC)
		d.class = JDG_ADDRESS_OWN;
	if (contains(&rules->deny, a))
		d.verdict = JDG_ADDRESS_DENIED;
	else if (d.class == JDG_ADDRESS_PUBLIC)
		d.verdict = JDG_ADDRESS_ALLOWED;
	else if (!contains(&rules->allowed_by_setting, a))
		d.verdict = JDG_ADDRESS_CLOSED;
	else if (!contains(&rules->allow, a))
		d.verdict = JDG_ADDRESS_NOT_NAMED;
	return d;
}

/*
 * An address that carries an IPv4 address is reached as itself or as that one,
 * so both have to be allowed.
 */
JdgAddressDecision
jdg_address_decide(const struct sockaddr *sa, bool own,
				   const JdgAddressRules *rules)
{
	JdgAddressDecision d = {JDG_ADDRESS_UNKNOWN, JDG_ADDRESS_RESERVED};
	JdgAddress	a;
	JdgAddress	inner;

	if (!jdg_address_of(sa, &a))
		return d;
	d = decide(&a, own, rules);
	if (d.verdict == JDG_ADDRESS_ALLOWED && jdg_address_inner(&a, &inner))
		d = decide(&inner, own, rules);
	return d;
}

/* Is an address of an interface the same, or the IPv4 address inside it? */
static bool
same(const struct sockaddr *interface, const JdgAddress *a,
	 const JdgAddress *inner)
{
	JdgAddress	mine;

	if (interface == NULL || !jdg_address_of(interface, &mine))
		return false;
	return memcmp(&mine, a, sizeof(mine)) == 0 ||
		(inner != NULL && memcmp(&mine, inner, sizeof(mine)) == 0);
}

bool
jdg_address_is_own(const struct sockaddr *sa)
{
	struct ifaddrs *all;
	JdgAddress	a;
	JdgAddress	inner;
	bool		carries;
	bool		found = false;

	if (!jdg_address_of(sa, &a) || getifaddrs(&all) != 0)
		return true;
	carries = jdg_address_inner(&a, &inner);
	for (struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next)
		found = same(i->ifa_addr, &a, carries ? &inner : NULL);
	freeifaddrs(all);
	return found;
}

const char *
jdg_address_class_name(JdgAddressClass class)
{
	switch (class)
	{
		case JDG_ADDRESS_PUBLIC:
			return "a public address";
		case JDG_ADDRESS_LOOPBACK:
			return "a loopback address";
		case JDG_ADDRESS_PRIVATE:
			return "a private address";
		case JDG_ADDRESS_LINK_LOCAL:
			return "a link-local address";
		case JDG_ADDRESS_SHARED:
			return "a shared address";
		case JDG_ADDRESS_UNIQUE_LOCAL:
			return "a unique local address";
		case JDG_ADDRESS_UNSPECIFIED:
			return "an unspecified address";
		case JDG_ADDRESS_MULTICAST:
			return "a multicast address";
		case JDG_ADDRESS_RESERVED:
			return "a reserved address";
		case JDG_ADDRESS_PLATFORM:
			return "an address of the cloud's platform";
		case JDG_ADDRESS_OWN:
			return "an address of this machine";
	}
	return "an address";
}
