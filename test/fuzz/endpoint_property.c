/*-------------------------------------------------------------------------
 *
 * endpoint_property.c
 *	  Tests the pure code of src/endpoint: URLs, ranges, addresses.
 *
 * Compares the decisions about addresses with a table, and puts random texts,
 * made of parts that are dangerous, into the parser of URLs.  What it accepts
 * must mean the same to others: the system's resolver reads no accepted name
 * as an address, and the normal form of a URL is read as the same URL.
 *
 * Usage: endpoint_property [seed [count]]
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint/address.h"
#include "endpoint/header.h"
#include "endpoint/url.h"

static int	failures = 0;

static void
fail(const char *what, const char *text)
{
	printf("FAILED: %s: %s\n", what, text);
	failures++;
}

/* ---- addresses ---- */

typedef struct Expected
{
	const char *address;
	JdgAddressClass class;		/* of the address, or what it carries */
} Expected;

/* Without any key, only those of class JDG_ADDRESS_PUBLIC are allowed. */
static const Expected expected[] = {
	{"0.0.0.0", JDG_ADDRESS_UNSPECIFIED}, {"0.1.2.3", JDG_ADDRESS_UNSPECIFIED},
	{"9.255.255.255", JDG_ADDRESS_PUBLIC}, {"10.0.0.0", JDG_ADDRESS_PRIVATE},
	{"10.255.255.255", JDG_ADDRESS_PRIVATE}, {"11.0.0.0", JDG_ADDRESS_PUBLIC},
	{"100.63.255.255", JDG_ADDRESS_PUBLIC}, {"100.64.0.0", JDG_ADDRESS_SHARED},
	{"100.100.100.200", JDG_ADDRESS_SHARED}, {"100.127.255.255", JDG_ADDRESS_SHARED},
	{"100.128.0.0", JDG_ADDRESS_PUBLIC}, {"127.0.0.1", JDG_ADDRESS_LOOPBACK},
	{"127.255.255.255", JDG_ADDRESS_LOOPBACK}, {"128.0.0.0", JDG_ADDRESS_PUBLIC},
	{"168.63.129.15", JDG_ADDRESS_PUBLIC}, {"168.63.129.16", JDG_ADDRESS_PLATFORM},
	{"169.253.255.255", JDG_ADDRESS_PUBLIC}, {"169.254.169.254", JDG_ADDRESS_LINK_LOCAL},
	{"169.255.0.0", JDG_ADDRESS_PUBLIC}, {"172.15.255.255", JDG_ADDRESS_PUBLIC},
	{"172.16.0.0", JDG_ADDRESS_PRIVATE}, {"172.31.255.255", JDG_ADDRESS_PRIVATE},
	{"172.32.0.1", JDG_ADDRESS_PUBLIC}, {"192.0.0.170", JDG_ADDRESS_RESERVED},
	{"192.0.1.0", JDG_ADDRESS_PUBLIC}, {"192.0.2.1", JDG_ADDRESS_RESERVED},
	{"192.88.99.1", JDG_ADDRESS_RESERVED}, {"192.168.1.1", JDG_ADDRESS_PRIVATE},
	{"192.169.0.0", JDG_ADDRESS_PUBLIC}, {"198.17.255.255", JDG_ADDRESS_PUBLIC},
	{"198.18.0.1", JDG_ADDRESS_RESERVED}, {"198.19.255.255", JDG_ADDRESS_RESERVED},
	{"198.20.0.0", JDG_ADDRESS_PUBLIC}, {"198.51.100.1", JDG_ADDRESS_RESERVED},
	{"203.0.113.1", JDG_ADDRESS_RESERVED}, {"223.255.255.255", JDG_ADDRESS_PUBLIC},
	{"224.0.0.1", JDG_ADDRESS_MULTICAST}, {"239.255.255.255", JDG_ADDRESS_MULTICAST},
	{"240.0.0.1", JDG_ADDRESS_RESERVED}, {"255.255.255.255", JDG_ADDRESS_MULTICAST},
	{"::", JDG_ADDRESS_UNSPECIFIED}, {"::1", JDG_ADDRESS_LOOPBACK},
	{"::2", JDG_ADDRESS_RESERVED}, {"::ffff:127.0.0.1", JDG_ADDRESS_RESERVED},
	{"::ffff:8.8.8.8", JDG_ADDRESS_RESERVED}, {"::127.0.0.1", JDG_ADDRESS_RESERVED},
	{"::ffff:0:127.0.0.1", JDG_ADDRESS_RESERVED}, {"64:ff9b::7f00:1", JDG_ADDRESS_RESERVED},
	{"64:ff9b:1::a9fe:a9fe", JDG_ADDRESS_RESERVED}, {"100::1", JDG_ADDRESS_RESERVED},
	{"1fff::1", JDG_ADDRESS_RESERVED}, {"2001:200::1", JDG_ADDRESS_PUBLIC},
	{"2001::80ff:fffe", JDG_ADDRESS_RESERVED}, {"2001:1ff::1", JDG_ADDRESS_RESERVED},
	{"2001:db8::1", JDG_ADDRESS_RESERVED}, {"2002:7f00:1::", JDG_ADDRESS_RESERVED},
	{"2003::1", JDG_ADDRESS_PUBLIC}, {"2606:4700::1111", JDG_ADDRESS_PUBLIC},
	{"2606:4700::5efe:10.0.0.1", JDG_ADDRESS_PRIVATE}, {"2606:4700::200:5efe:127.0.0.1", JDG_ADDRESS_LOOPBACK},
	{"2606:4700::5efe:8.8.8.8", JDG_ADDRESS_PUBLIC},
	{"3ffe::1", JDG_ADDRESS_PUBLIC}, {"3fff::1", JDG_ADDRESS_RESERVED},
	{"3fff:fff::1", JDG_ADDRESS_RESERVED}, {"3fff:1000::1", JDG_ADDRESS_PUBLIC},
	{"4000::1", JDG_ADDRESS_RESERVED}, {"5f00::1", JDG_ADDRESS_RESERVED},
	{"fc00::1", JDG_ADDRESS_UNIQUE_LOCAL}, {"fd00:ec2::254", JDG_ADDRESS_UNIQUE_LOCAL},
	{"fe80::1", JDG_ADDRESS_LINK_LOCAL}, {"fe80::5efe:10.0.0.1", JDG_ADDRESS_LINK_LOCAL},
	{"fec0::1", JDG_ADDRESS_PRIVATE}, {"ff02::1", JDG_ADDRESS_MULTICAST},
};

static struct sockaddr_storage
sockaddr_of(const char *text)
{
	struct sockaddr_storage s = {0};

	s.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(s.ss_family, text, s.ss_family == AF_INET6
				  ? (void *) &((struct sockaddr_in6 *) &s)->sin6_addr
				  : (void *) &((struct sockaddr_in *) &s)->sin_addr) != 1)
		fail("inet_pton", text);
	return s;
}

/* lists of a test, which keeps the ranges */
static JdgCidrs
list_of(const char *text, JdgCidr *ranges)
{
	const char *what;
	size_t		position;
	int			n = jdg_cidrs_parse(text, ranges, JDG_CIDRS_MAX, &what, &position);

	if (n < 0)
		fail(what, text);
	return (JdgCidrs)
	{
		n, ranges
	};
}

static JdgAddressDecision
decide(const char *address, bool own, const char *setting, const char *allow,
	   const char *deny)
{
	static JdgCidr ranges[3][JDG_CIDRS_MAX];
	JdgAddressRules rules = {list_of(setting, ranges[0]),
	list_of(allow, ranges[1]), list_of(deny, ranges[2])};
	struct sockaddr_storage s = sockaddr_of(address);

	return jdg_address_decide((struct sockaddr *) &s, own, &rules);
}

static void
test_addresses(void)
{
	static const struct
	{
		const char *address;
		bool		own;
		const char *setting;
		const char *allow;
		const char *deny;
		JdgAddressVerdict verdict;
	}			rules[] = {
		{"10.1.2.3", false, "", "10.0.0.0/8", "", JDG_ADDRESS_CLOSED},
		{"10.1.2.3", false, "10.0.0.0/8", "", "", JDG_ADDRESS_NOT_NAMED},
		{"10.1.2.3", false, "10.0.0.0/8", "10.1.0.0/16", "", JDG_ADDRESS_ALLOWED},
		{"10.2.2.3", false, "10.0.0.0/8", "10.1.0.0/16", "", JDG_ADDRESS_NOT_NAMED},
		{"10.1.2.3", false, "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", JDG_ADDRESS_DENIED},
		{"8.8.8.8", false, "", "", "8.8.8.0/24", JDG_ADDRESS_DENIED},
		{"8.8.8.8", true, "", "", "", JDG_ADDRESS_CLOSED},
		{"8.8.8.8", true, "8.8.8.8", "8.8.8.8/32", "", JDG_ADDRESS_ALLOWED},
		{"::1", false, "::/0", "::/0", "", JDG_ADDRESS_ALLOWED},
		/* an IPv4 address inside needs keys of its own */
		{"::ffff:127.0.0.1", false, "127.0.0.0/8", "127.0.0.0/8", "", JDG_ADDRESS_CLOSED},
		{"::ffff:127.0.0.1", false, "::/0", "::/0", "", JDG_ADDRESS_CLOSED},
		{"::ffff:127.0.0.1", false, "::/0, 127.0.0.0/8", "::/0", "", JDG_ADDRESS_NOT_NAMED},
		{"::ffff:127.0.0.1", false, "::/0, 127.0.0.0/8", "::/0, 127.0.0.1", "", JDG_ADDRESS_ALLOWED},
		{"64:ff9b::8.8.8.8", false, "64:ff9b::/96", "64:ff9b::/96", "", JDG_ADDRESS_ALLOWED},
		{"64:ff9b::8.8.8.8", false, "64:ff9b::/96", "64:ff9b::/96", "8.0.0.0/8", JDG_ADDRESS_DENIED},
		{"64:ff9b::10.0.0.1", false, "64:ff9b::/96", "64:ff9b::/96", "", JDG_ADDRESS_CLOSED},
		{"2002:0a00:0001::", false, "::/0", "::/0", "", JDG_ADDRESS_CLOSED},
		/* Teredo: the client's address is inverted */
		{"2001::f5ff:fffe", false, "::/0", "::/0", "", JDG_ADDRESS_CLOSED},
	};
	struct sockaddr un = {.sa_family = AF_UNIX};
	JdgAddressRules none = {{0, NULL}, {0, NULL}, {0, NULL}};

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
	{
		JdgAddressDecision d = decide(expected[i].address, false, "", "", "");
		bool		public = expected[i].class == JDG_ADDRESS_PUBLIC;

		if (d.class != expected[i].class)
			fail(jdg_address_class_name(d.class), expected[i].address);
		if (d.verdict != (public ? JDG_ADDRESS_ALLOWED : JDG_ADDRESS_CLOSED))
			fail("verdict", expected[i].address);
	}
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
	{
		if (decide(rules[i].address, rules[i].own, rules[i].setting,
				   rules[i].allow, rules[i].deny).verdict != rules[i].verdict)
			fail("verdict by rules", rules[i].address);
	}
	if (jdg_address_decide(&un, false, &none).verdict != JDG_ADDRESS_UNKNOWN)
		fail("verdict", "AF_UNIX");
	for (int i = 0; i < 2; i++)
	{
		struct sockaddr_storage s = sockaddr_of(i ? "127.0.0.1" : "203.0.113.77");

		if (jdg_address_is_own((struct sockaddr *) &s) != (i == 1))
			fail("own address", i ? "127.0.0.1" : "203.0.113.77");
	}
}

/* ---- URLs ---- */

static uint64_t random_state;

static uint64_t
random_bits(void)
{
	/* splitmix64 */
	uint64_t	z = (random_state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static const char *const parts[] = {
	"http://", "https://", "HTTP://", "//", "/", "\\", "@", ":", "?", "#", ".",
	"..", "%2e", "%252e", "%2f", "%5c", "%00", "%", ";", "[", "]", "::1",
	"::ffff:", "127.0.0.1", "127", "0x7f", "017", "0", "1", "255", "256",
	"4294967295", "localhost", "a", "a.example", "xn--a", "-", "_", "*", " ",
	"\t", "\n", "\x7f", "\xc3\xa9", ":80", ":0", ":65535", ":65536", "%25lo",
};

/* Checks what the parser has accepted. */
static void
check_url(const char *text, size_t len, const JdgUrl *url)
{
	char		normal[2 * JDG_URL_MAX];
	JdgUrl		again;
	JdgUrlFault fault;
	struct in_addr addr;

	if (url->kind == JDG_HOST_NAME && inet_aton(url->host, &addr) != 0)
		fail("the host is an address to others", text);
	if (url->port == 0 || memchr(url->host, '@', strlen(url->host)) != NULL)
		fail("port or host", text);
	for (size_t i = 0; i < len; i++)
	{
		if ((unsigned char) text[i] <= 0x20 || (unsigned char) text[i] >= 0x7f ||
			text[i] == '\\' || text[i] == '#')
			fail("character", text);
	}
	snprintf(normal, sizeof(normal), "%s://%s%s%s:%d%.*s%s%.*s",
			 jdg_url_scheme_name(url->scheme),
			 url->kind == JDG_HOST_IPV6 ? "[" : "", url->host,
			 url->kind == JDG_HOST_IPV6 ? "]" : "", url->port,
			 (int) url->path_len, url->path, url->query ? "?" : "",
			 (int) url->query_len, url->query ? url->query : "");
	if (!jdg_url_parse(normal, strlen(normal), &again, &fault))
		fail("normal form is refused", normal);
	else if (again.kind != url->kind || again.port != url->port ||
			 again.scheme != url->scheme || strcmp(again.host, url->host) != 0 ||
			 again.path_len != url->path_len || again.query_len != url->query_len)
		fail("normal form differs", normal);
}

static void
test_urls(int count)
{
	int			accepted = 0;

	for (int i = 0; i < count; i++)
	{
		char text[	512];
		size_t		len = 0;
		char	   *exact;
		JdgUrl		url;
		JdgUrlFault fault;

		for (int n = (int) (random_bits() % 9) + 1; n > 0; n--)
		{
			const char *part = parts[n % 3 == 0 || random_bits() % 4 ?
									 random_bits() % (sizeof(parts) / sizeof(parts[0])) : 0];

			if (len == 0 && random_bits() % 8)
				part = parts[random_bits() % 3];
			memcpy(text +len, part, strlen(part));
			len += strlen(part);
			if (random_bits() % 50 == 0)
				text[		len++] = (char) random_bits();
		}
		text[		len] = '\0';

		/* a copy without a zero byte, so that reading beyond it is noticed */
		exact = malloc(len);
		memcpy(exact, text, len);
		if (jdg_url_parse(exact, len, &url, &fault))
		{
			accepted++;
			check_url(text, len, &url);
		}
		else if (fault.what == NULL || fault.position > len)
			fail("no fault", text);
		(void) jdg_header_is_name(exact, len);
		(void) jdg_header_sounds_secret(exact, len);
		free(exact);
	}
	printf("%d of %d URLs accepted\n", accepted, count);
	if (accepted == 0)
		fail("no URL is accepted", "");
}

/* ---- addresses in addresses ---- */

/* Is an IPv4 address public?  Written apart from the table of address.c. */
static bool
is_public4(uint32_t a)
{
	uint32_t	top = a >> 24;

	return !(top == 0 || top == 10 || top == 127 || top >= 224 ||
			 a >> 22 == (100 << 24 | 64 << 16) >> 22 ||
			 a >> 16 == (169 << 8 | 254) || a >> 20 == (172 << 4 | 1) ||
			 a >> 16 == (192 << 8 | 168) || a >> 17 == (198 << 8 | 18) >> 1 ||
			 a >> 8 == (192 << 16) || a >> 8 == (192 << 16 | 2) ||
			 a >> 8 == (192 << 16 | 88 << 8 | 99) ||
			 a >> 8 == (198 << 16 | 51 << 8 | 100) ||
			 a >> 8 == (203u << 16 | 113) || a == 0xa83f8110);
}

/*
 * Whatever carries an IPv4 address, and although both keys open all of IPv6, it
 * is allowed only if the IPv4 address is.  The same without keys.
 */
static void
test_carried(int count)
{
	static const char *const carriers[] = {
		"::ffff:%x:%x", "::ffff:0:%x:%x", "64:ff9b::%x:%x",
		"64:ff9b:1:2:3:4:%x:%x", "2002:%x:%x:1::1", "2606:4700::5efe:%x:%x",
		"2606:4700::200:5efe:%x:%x", "fe80::5efe:%x:%x"
	};
	static const uint32_t edges[] = {
		0x7f000001, 0x0a000001, 0xac100001, 0xac200001, 0xc0a80001, 0xa9fea9fe,
		0x64400001, 0x64800001, 0x01010101, 0x08080808, 0xe0000001, 0xffffffff,
		0xa83f8110, 0xc6120001, 0xc6140001
	};

	for (int i = 0; i < count; i++)
	{
		uint32_t	a = i < 15 ? edges[i] : (uint32_t) random_bits();
		char text[	60];

		snprintf(text, sizeof(text), "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
		if ((decide(text, false, "", "", "").verdict == JDG_ADDRESS_ALLOWED) != is_public4(a))
			fail("IPv4 address", text);
		for (size_t k = 0; k < sizeof(carriers) / sizeof(carriers[0]); k++)
		{
			snprintf(text, sizeof(text), carriers[k], a >> 16, a & 0xffff);
			if ((decide(text, false, "::/0", "::/0", "").verdict == JDG_ADDRESS_ALLOWED) != is_public4(a))
				fail("carried IPv4 address", text);
		}
	}
}

/* ---- ranges ---- */

/* Random texts for ranges: what is read contains its own address. */
static void
test_cidrs(int count)
{
	for (int i = 0; i < count; i++)
	{
		static const char characters[] = "0123456789abcdef.:/, %";
		char text[	40];
		JdgCidr		ranges[8];
		const char *what;
		size_t		position;
		size_t		len = random_bits() % sizeof(text);
		int			n;

		for (size_t k = 0; k < len; k++)
			text[		k] = characters[random_bits() % (sizeof(characters) - 1)];

		if (len == sizeof(text))
			len--;
		text[		len] = '\0';

		n = jdg_cidrs_parse(text, ranges, 8, &what, &position);
		if (n < 0 && (what == NULL || position > len))
			fail("no fault", text);
		for (int k = 0; k < n; k++)
		{
			if (!jdg_cidr_contains(&ranges[k], ranges[k].addr, ranges[k].size))
				fail("range", text);
		}
	}
}

/*
 * Valid ranges are read as they are written, and contain the addresses with
 * their prefix and no others.
 */
static void
test_valid_cidrs(int count)
{
	for (int i = 0; i < count; i++)
	{
		bool		v6 = i % 2;
		int			size = v6 ? 16 : 4;
		int			bits = (int) (random_bits() % (uint64_t) (size * 8 + 1));
		int			flip = (int) (random_bits() % (uint64_t) (size * 8));
		uint8_t		addr[16];
		char		address[INET6_ADDRSTRLEN];
		char		list[80];
		JdgCidr		range;
		const char *what;
		size_t		position;

		for (int k = 0; k < size * 8; k++)
		{
			uint8_t		bit = 0x80 >> (k % 8);

			if (k % 8 == 0)
				addr[k / 8] = 0;
			if (k < bits && random_bits() % 2)
				addr[k / 8] |= bit;
		}
		inet_ntop(v6 ? AF_INET6 : AF_INET, addr, address, sizeof(address));
		snprintf(list, sizeof(list), " %s/%d\t", address, bits);
		if (jdg_cidrs_parse(list, &range, 1, &what, &position) != 1 ||
			range.size != size || range.bits != bits ||
			memcmp(range.addr, addr, (size_t) size) != 0 ||
			!jdg_cidr_contains(&range, addr, size) ||
			jdg_cidr_contains(&range, addr, 20 - size))
			fail("valid range", list);
		addr[flip / 8] ^= 0x80 >> (flip % 8);
		if (jdg_cidr_contains(&range, addr, size) != (flip >= bits))
			fail("an address in a range", list);
		inet_ntop(v6 ? AF_INET6 : AF_INET, addr, address, sizeof(address));
		snprintf(list, sizeof(list), "%s/%d", address, bits);
		if ((jdg_cidrs_parse(list, &range, 1, &what, &position) == 1) != (flip < bits))
			fail("bits after the prefix", list);
	}
}

int
main(int argc, char **argv)
{
	int			count = argc > 2 ? atoi(argv[2]) : 300000;

	random_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	test_addresses();
	test_carried(count / 10);
	test_urls(count);
	test_cidrs(count);
	test_valid_cidrs(count / 10);
	if (failures == 0)
		printf("all tests passed\n");
	return failures != 0;
}
