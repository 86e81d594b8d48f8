/*-------------------------------------------------------------------------
 *
 * value.h
 *	  Values of options: their kinds, and how each is read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ENDPOINT_VALUE_H
#define JDG_ENDPOINT_VALUE_H

/* a transfer slower than this for some time is ended */
typedef struct JdgLowSpeed
{
	int32		bytes;			/* a second; 0: off */
	int64		for_us;
} JdgLowSpeed;

/* ports of URLs, from and to */
typedef struct JdgPorts
{
	uint16		from;
	uint16		to;
} JdgPorts;

#define JDG_PORTS_MAX 32

/* a list of ports */
typedef struct JdgPortList
{
	int			n;
	JdgPorts	ports[JDG_PORTS_MAX];
} JdgPortList;

/* the kind of a value, and the type of its field */
typedef enum JdgValueKind
{
	JDG_VALUE_BOOL,				/* bool */
	JDG_VALUE_INT,				/* int32 */
	JDG_VALUE_DURATION,			/* int64, microseconds; "min", "max" in ms */
	JDG_VALUE_SIZE,				/* int32, bytes */
	JDG_VALUE_WORD,				/* int, or an enum in the order of "words" */
	JDG_VALUE_LOW_SPEED,		/* JdgLowSpeed */
	JDG_VALUE_URL,				/* const char *, and a JdgUrl */
	JDG_VALUE_PATH,				/* const char *: of a URL */
	JDG_VALUE_FILE,				/* const char *: an absolute path */
	JDG_VALUE_HEADERS,			/* List * of "Name: value" */
	JDG_VALUE_HEADER_NAME,		/* const char * */
	JDG_VALUE_HEADER_NAMES,		/* List * in lower case */
	JDG_VALUE_HOSTS,			/* List * in lower case */
	JDG_VALUE_PORTS,			/* JdgPortList */
	JDG_VALUE_STATUSES,			/* List * */
	JDG_VALUE_CIDRS,			/* JdgCidrs */
	JDG_VALUE_POLICY,			/* const char *: a JSON object */
	JDG_VALUE_USER,				/* const char *: the name of a user */
	JDG_VALUE_SECRET,			/* const char *: of one line */
	JDG_VALUE_PEM,				/* const char * */
	JDG_VALUE_SECRET_PATH		/* const char *: of a URL, and a secret */
} JdgValueKind;

/* an option: its value is read to target + offset */
typedef struct JdgOption
{
	const char *name;
	JdgValueKind kind;
	size_t		offset;
	bool		superuser;		/* only superusers give it */
	int			min;			/* of numbers, durations and sizes; a minimum
								 * of 0 can be written "off" */
	int			max;
	const char *const *words;	/* up to a NULL */
	size_t		also;			/* of a JdgUrl */
	const char *hint;			/* for a number that cannot be read, or NULL */
} JdgOption;

/*
 * Reads a value in the current memory context.  Raises VALIDATION_ERROR with
 * the name of the option, and the value unless it may be a secret.
 */
extern void jdg_value_read(const JdgOption *option, const char *value,
						   void *target);

/*
 * Raises VALIDATION_ERROR unless a secret is one that can be sent.  Its value
 * is in no message.
 */
extern void jdg_value_check_secret(const JdgOption *option, const char *value);

#endif							/* JDG_ENDPOINT_VALUE_H */
