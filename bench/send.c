/* Sends a file of LF-ended lines to a syslog listener, as fast as asked: the load for bench_receive.py.
 *
 *   send tcp HOST PORT FILE COUNT             blocking writes of 256 KiB
 *   send udp HOST PORT FILE COUNT RATE        one datagram a line, RATE a second, in bursts of at most 1 ms
 *
 * Starts over in FILE until COUNT lines are sent; prints how many and in how many seconds. IPv4 only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, WRITE_BYTES = 256 * 1024 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void send_tcp(int sock, char *lines, size_t size, long count) {
    char *at = lines, *end = lines + size;
    while (count > 0) {
        char *stop = at;
        while (stop < end && stop - at < WRITE_BYTES && count > 0) {
            stop = (char *)memchr(stop, '\n', (size_t)(end - stop)) + 1;
            count--;
        }
        while (at < stop) {
            ssize_t sent = send(sock, at, (size_t)(stop - at), 0);
            if (sent < 0) die("send");
            at += sent;
        }
        if (at == end) at = lines;
    }
    shutdown(sock, SHUT_WR);
    char last;
    while (recv(sock, &last, 1, 0) > 0) {
    }
}

static void send_udp(int sock, char *lines, size_t size, long count, double rate) {
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    memset(messages, 0, sizeof messages);
    char *at = lines, *end = lines + size;
    double begin = now();
    long sent = 0;
    while (sent < count) {
        double due_exact = (now() - begin) * rate;
        long due = (long)due_exact - sent;
        if (due < 1) {
            struct timespec pause = {0, 200000};
            nanosleep(&pause, NULL);
            continue;
        }
        if (due > count - sent) due = count - sent;
        while (due > 0) {
            int n = due < BATCH ? (int)due : BATCH;
            for (int i = 0; i < n; i++) {
                char *stop = memchr(at, '\n', (size_t)(end - at));
                parts[i].iov_base = at;
                parts[i].iov_len = (size_t)(stop - at);
                messages[i].msg_hdr.msg_iov = &parts[i];
                messages[i].msg_hdr.msg_iovlen = 1;
                at = stop + 1;
                if (at == end) at = lines;
            }
            int gone = sendmmsg(sock, messages, (unsigned)n, 0);
            if (gone != n) die("sendmmsg");
            sent += n;
            due -= n;
        }
    }
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "send tcp|udp HOST PORT FILE COUNT [RATE]\n");
        return 2;
    }
    int udp = strcmp(argv[1], "udp") == 0;
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3]))};
    if (inet_pton(AF_INET, argv[2], &peer.sin_addr) != 1) die("address");
    int file = open(argv[4], O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status) < 0) die(argv[4]);
    char *lines = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (lines == MAP_FAILED) die("mmap");
    int sock = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (connect(sock, (struct sockaddr *)&peer, sizeof peer) < 0) die("connect");
    long count = atol(argv[5]);
    double begin = now();
    if (udp)
        send_udp(sock, lines, (size_t)status.st_size, count, argc > 6 ? atof(argv[6]) : 100000.0);
    else
        send_tcp(sock, lines, (size_t)status.st_size, count);
    printf("%ld %.3f\n", count, now() - begin);
    return 0;
}
