/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  Sends HTTP requests with libcurl, and does nothing else.
 *
 * Part of the benchmark only: the floor of HTTP tasks.
 *
 *		requests URL COUNT CONCURRENT
 *
 * Sends COUNT requests, CONCURRENT of them at the same time, reads the responses,
 * and prints the seconds that it took.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <curl/curl.h>

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Drops the body. */
static size_t
drop(char *data, size_t size, size_t n, void *arg)
{
	return size * n;
}

static void
send_one(CURLM *multi, CURL *easy, const char *url)
{
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
	curl_multi_add_handle(multi, easy);
}

/* Exits if the request has not been answered with 200. */
static void
check(const CURLMsg *m)
{
	long		status = 0;

	curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
	if (m->data.result == CURLE_OK && status == 200)
		return;
	fprintf(stderr, "requests: %s, status %ld\n",
			curl_easy_strerror(m->data.result), status);
	exit(1);
}

int
main(int argc, char **argv)
{
	const char *url = argv[1];
	int			left = argc == 4 ? atoi(argv[2]) : 0;
	int			concurrent = argc == 4 ? atoi(argv[3]) : 0;
	CURLM	   *multi = curl_multi_init();
	double		start = seconds();
	int			running = 0;

	if (left <= 0 || concurrent <= 0)
	{
		fprintf(stderr, "usage: requests URL COUNT CONCURRENT\n");
		return 2;
	}
	for (; running < concurrent && left > 0; running++, left--)
		send_one(multi, curl_easy_init(), url);
	while (running > 0)
	{
		CURLMsg    *m;
		int			n;

		curl_multi_perform(multi, &n);
		while ((m = curl_multi_info_read(multi, &n)) != NULL)
		{
			CURL	   *easy = m->easy_handle;

			check(m);
			curl_multi_remove_handle(multi, easy);
			if (left-- > 0)
				send_one(multi, easy, url);
			else
			{
				curl_easy_cleanup(easy);
				running--;
			}
		}
		if (running > 0)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	printf("%.6f\n", seconds() - start);
	curl_multi_cleanup(multi);
	return 0;
}
