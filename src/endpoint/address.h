/*-------------------------------------------------------------------------
 *
 * address.h
 *	  Which addresses an endpoint may connect to.
 *
 * Pure C: the code allocates no memory, reads nothing but its arguments, and
 * needs no server header, so that callbacks of libcurl may call it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ENDPOINT_ADDRESS_H
#define JDG_ENDPOINT_ADDRESS_H

#include <sys/socket.h>

#include "base/cidr.h"

/* an IPv4 or IPv6 address, in network order */
typedef struct JdgAddress
{
	uint8_t		size;			/* 4 or 16 */
	uint8_t		addr[16];
} JdgAddress;

/* what an address is for */
typedef enum JdgAddressClass
{
	JDG_ADDRESS_PUBLIC,
	JDG_ADDRESS_LOOPBACK,
	JDG_ADDRESS_PRIVATE,
	JDG_ADDRESS_LINK_LOCAL,
	JDG_ADDRESS_SHARED,			/* 100.64.0.0/10, of a provider's NAT */
	JDG_ADDRESS_UNIQUE_LOCAL,
	JDG_ADDRESS_UNSPECIFIED,
	JDG_ADDRESS_MULTICAST,
	JDG_ADDRESS_RESERVED,
	JDG_ADDRESS_PLATFORM,		/* a service of a cloud's host to its guests */
	JDG_ADDRESS_OWN				/* of this machine */
} JdgAddressClass;

/* ranges of addresses */
typedef struct JdgCidrs
{
	int			n;
	const JdgCidr *ranges;
} JdgCidrs;

/*
 * What decides about addresses: both lists of "allow" have to contain an
 * address that is not public, and "deny" none.
 */
typedef struct JdgAddressRules
{
	JdgCidrs	allowed_by_setting; /* jadugar.http_allow_addresses */
	JdgCidrs	allow;			/* of the endpoint */
	JdgCidrs	deny;			/* of the endpoint */
} JdgAddressRules;

typedef enum JdgAddressVerdict
{
	JDG_ADDRESS_ALLOWED,
	JDG_ADDRESS_DENIED,			/* by deny_addresses */
	JDG_ADDRESS_CLOSED,			/* not public, and the setting has it not */
	JDG_ADDRESS_NOT_NAMED,		/* the setting has it, allow_addresses not */
	JDG_ADDRESS_UNKNOWN			/* not an internet address */
} JdgAddressVerdict;

/* the decision about an address */
typedef struct JdgAddressDecision
{
	JdgAddressVerdict verdict;
	JdgAddressClass class;		/* of the address, or of the IPv4 address
								 * inside it */
} JdgAddressDecision;

/* false: it is neither IPv4 nor IPv6 */
extern bool jdg_address_of(const struct sockaddr *sa, JdgAddress *address);

/* the class of an address, which is not looked up among this machine's own */
extern JdgAddressClass jdg_address_class(const JdgAddress *address);

/*
 * The IPv4 address inside an IPv6 address: mapped, compatible, translated,
 * NAT64, 6to4, Teredo, ISATAP.  False: there is none.
 */
extern bool jdg_address_inner(const JdgAddress *address, JdgAddress *inner);

/*
 * Decides whether an endpoint may connect to an address.  "own": the address is
 * one of this machine, see jdg_address_is_own().
 */
extern JdgAddressDecision jdg_address_decide(const struct sockaddr *sa,
											 bool own,
											 const JdgAddressRules *rules);

/*
 * Is it an address of this machine?  Asks the system each time, since addresses
 * come and go; true if the system does not answer.
 */
extern bool jdg_address_is_own(const struct sockaddr *sa);

/* words for messages: "a private address"; "…" has no part of the address */
extern const char *jdg_address_class_name(JdgAddressClass class);

#endif							/* JDG_ENDPOINT_ADDRESS_H */
