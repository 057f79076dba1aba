// The load client: viewers and publishers of one server, in one thread, with epoll.
//
// Commands on stdin, each answered with a line of JSON:
//   port N | header TEXT | body TEXT | ids seq|pair | channel VIEWERS GET_PATH POST_PATH   (no answer)
//   connect                        opens all viewers
//   load PUBLISHERS WARM_MS MS     each publisher has one POST in flight, always
//   latency RATE WARM_MS MS        RATE posts a second, whatever the server does
//   idle MS                        counts frames without an id
//   close                          all viewers leave
// load, latency and idle say {"mark": "begin"} and {"mark": "end"} at the ends of the window.
//
// The ########## in the body is replaced by the number of the event; latency finds it as "e1...
//
// Every frame of every viewer is looked at. ids seq: the number behind the last "-" rises by exactly
// one. ids pair: A:B rises. After publishers stop, each viewer must hold exactly as many frames
// with an id as posts were answered. Anything else ends the client with 1: the run is void.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clocks.h"

enum { READ_MAX = 1 << 20, FRAME_MAX = 16384, LATENCY_PUBLISHERS = 64, CONNECTING_MAX = 64 };
static const uint64_t FIRST_EVENT = 1000000000;
static const double DRAIN_S = 30, CONNECT_S = 60;

typedef struct {
  char *get_path, *post_path;
  char *post, *digits;  // the whole request, and where the event's number stands in it
  size_t post_size;
  int viewers;
  uint64_t answered;
} Channel;

typedef enum { VIEWER, PUBLISHER } Kind;
typedef enum { HEAD, WHOLE, CHUNK_SIZE, CHUNK, CHUNK_END } Part;

typedef struct {
  Kind kind;
  int fd, number;
  Channel *channel;
  Part part;
  size_t chunk_left;
  char *carry;  // a frame's beginning, or a response's head
  size_t carried;
  uint64_t frames, last, last_minor;
} Viewer;

typedef struct {
  Kind kind;
  int fd;
  bool busy;
  Channel *channel;
  size_t held;
  char answer[8192];
} Publisher;

static int port, poller, channel_count, viewer_count, publisher_count, opened;
static Channel *channels;
static Viewer *viewers;
static Publisher *publishers;
static char header[1024], body[16384], *buffer;
static bool ids_are_pairs, publishing, measuring_latency, sampling;
static uint64_t frames, notices, bytes, posts, next_event = FIRST_EVENT, next_channel;
static double *sent_at;
static size_t sent_max;
static float *samples;
static size_t sample_count, sample_max;
static uint64_t first_sample;

static void fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "client: ");
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n");
  exit(1);
}

static void say(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vprintf(format, args);
  printf("\n");
  fflush(stdout);
}

static int open_socket(int number) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  if (fd < 0) fail("socket: %s", strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  // Several addresses: one has ports for some 28,000 connections, those just closed included.
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001 + number % 8)};
  if (bind(fd, (void *)&from, sizeof from)) fail("bind: %s", strerror(errno));
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(fd, (void *)&to, sizeof to) && errno != EINPROGRESS) fail("connect: %s", strerror(errno));
  return fd;
}

static void watch(int fd, int events, void *who, int how) {
  struct epoll_event e = {.events = events, .data.ptr = who};
  if (epoll_ctl(poller, how, fd, &e)) fail("epoll_ctl: %s", strerror(errno));
}

static uint64_t number_at(const char *text, const char *end) {
  uint64_t value = 0;
  for (; text < end && *text >= '0' && *text <= '9'; text++) value = value * 10 + (*text - '0');
  return value;
}

static void check_id(Viewer *v, const char *id, const char *end) {
  uint64_t major, minor = 0;
  if (ids_are_pairs) {
    const char *colon = memchr(id, ':', end - id);
    if (!colon) fail("viewer %d: no pair: %.*s", v->number, (int)(end - id), id);
    major = number_at(id, colon);
    minor = number_at(colon + 1, end);
    if (v->frames > 0 && (major < v->last || (major == v->last && minor <= v->last_minor)))
      fail("void: viewer %d: id %.*s after %lu:%lu", v->number, (int)(end - id), id, v->last, v->last_minor);
  } else {
    const char *dash = memrchr(id, '-', end - id);
    major = number_at(dash ? dash + 1 : id, end);
    if (v->frames > 0 && major != v->last + 1)
      fail("void: viewer %d: id %.*s after %lu: %s", v->number, (int)(end - id), id, v->last,
           major > v->last ? "lost" : "doubled or reordered");
  }
  v->last = major;
  v->last_minor = minor;
  v->frames++;
  frames++;
}

/** Where the frame has the number of its event: ten digits behind `"e`, as no id of a job has. */
static const char *event_in(const char *frame, const char *end) {
  for (const char *mark = frame; (mark = memmem(mark, end - mark, "\"e1", 3)); mark += 3)
    if (strspn(mark + 2, "0123456789") == 10) return mark + 2;
  return NULL;
}

static void take_sample(const char *frame, const char *end) {
  const char *number = event_in(frame, end);
  if (!number) return;
  uint64_t event = number_at(number, end);
  if (event < first_sample || event >= next_event) return;
  if (sample_count == sample_max) fail("more samples than events times viewers");
  samples[sample_count++] = now() - sent_at[event - FIRST_EVENT];
}

/** Takes whole frames; the answer is how many bytes they are. */
static size_t take_frames(Viewer *v, const char *from, size_t size) {
  const char *line = from, *end = from + size, *frame = from, *id = NULL, *id_end = NULL, *feed;
  while (line < end && (feed = memchr(line, '\n', end - line))) {
    if (feed == line) {
      if (id) {
        check_id(v, id, id_end);
        if (sampling) take_sample(frame, feed);
      } else notices++;
      frame = feed + 1;
      id = NULL;
    } else if (line[0] == 'i' && feed - line > 3 && !memcmp(line, "id:", 3)) {
      id = line + 3 + (line[3] == ' ');
      id_end = feed;
    }
    line = feed + 1;
  }
  return frame - from;
}

static void take_text(Viewer *v, const char *from, size_t size) {
  bytes += size;
  while (v->carried > 0 && size > 0) {
    size_t before = v->carried, more = size < FRAME_MAX - before ? size : FRAME_MAX - before;
    memcpy(v->carry + before, from, more);
    size_t taken = take_frames(v, v->carry, before + more);
    if (taken == 0) {
      if (before + more == FRAME_MAX) fail("viewer %d: a frame of more than %d bytes", v->number, FRAME_MAX);
      v->carried = before + more;
      return;
    }
    from += taken - before;
    size -= taken - before;
    v->carried = 0;
  }
  size_t taken = take_frames(v, from, size);
  if (size - taken >= FRAME_MAX) fail("viewer %d: a frame of more than %d bytes", v->number, FRAME_MAX);
  if (taken < size) {
    if (!v->carry) v->carry = malloc(FRAME_MAX);
    memcpy(v->carry, from + taken, v->carried = size - taken);
  }
}

static void take_body(Viewer *v, const char *from, size_t size) {
  const char *end = from + size;
  while (from < end) {
    if (v->part == WHOLE) {
      take_text(v, from, end - from);
      return;
    }
    if (v->part == CHUNK) {
      size_t n = (size_t)(end - from) < v->chunk_left ? (size_t)(end - from) : v->chunk_left;
      take_text(v, from, n);
      from += n;
      if ((v->chunk_left -= n) == 0) v->part = CHUNK_END;
    } else if (v->part == CHUNK_END) {
      if (*from++ == '\n') v->part = CHUNK_SIZE, v->chunk_left = 0;
    } else {
      char c = *from++;
      if (c == '\n') {
        if (v->chunk_left == 0) fail("viewer %d: the stream has ended", v->number);
        v->part = CHUNK;
      } else if (c != '\r') {
        int digit = c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
        v->chunk_left = v->chunk_left * 16 + digit;
      }
    }
  }
}

static void take_head(Viewer *v, const char *from, size_t size) {
  if (!v->carry) v->carry = malloc(FRAME_MAX);
  if (v->carried + size > FRAME_MAX - 1) fail("viewer %d: no end of the head", v->number);
  memcpy(v->carry + v->carried, from, size);
  v->carried += size;
  v->carry[v->carried] = 0;
  char *end = strstr(v->carry, "\r\n\r\n");
  if (!end) return;
  if (strncmp(v->carry, "HTTP/1.1 200", 12)) fail("viewer %d: %.300s", v->number, v->carry);
  *end = 0;
  v->part = strcasestr(v->carry, "transfer-encoding: chunked") ? CHUNK_SIZE : WHOLE;
  opened++;
  size_t left = v->carried - (end + 4 - v->carry);
  char *rest = memcpy(malloc(left + 1), end + 4, left);
  v->carried = 0;
  take_body(v, rest, left);
  free(rest);
  if (v->carried == 0) free(v->carry), v->carry = NULL;  // most viewers need none
}

static void viewer_ready(Viewer *v, int events) {
  if (v->part == HEAD && events & EPOLLOUT) {
    char request[2048];
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%sAccept: text/event-stream\r\n\r\n",
                     v->channel->get_path, header);
    if (write(v->fd, request, n) != n) fail("viewer %d: %s", v->number, strerror(errno));
    watch(v->fd, EPOLLIN, v, EPOLL_CTL_MOD);
    return;
  }
  ssize_t n = recv(v->fd, buffer, READ_MAX, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) fail("viewer %d: %s", v->number, n == 0 ? "the server has closed" : strerror(errno));
  if (v->part == HEAD) take_head(v, buffer, n);
  else take_body(v, buffer, n);
}

static void post(Publisher *p) {
  Channel *channel = &channels[next_channel++ % channel_count];
  uint64_t rest = next_event;
  for (int i = 9; i >= 0; i--, rest /= 10) channel->digits[i] = '0' + rest % 10;
  p->channel = channel;
  p->busy = true;
  p->held = 0;
  if (measuring_latency) {
    if (next_event - FIRST_EVENT >= sent_max) fail("more events than there is room for");
    sent_at[next_event - FIRST_EVENT] = now();
  }
  next_event++;
  ssize_t n = write(p->fd, channel->post, channel->post_size);
  if (n != (ssize_t)channel->post_size) fail("publisher: %s", n < 0 ? strerror(errno) : "cut off");
}

/** Whether a whole response is there. */
static bool answered(Publisher *p) {
  p->answer[p->held] = 0;
  char *end = strstr(p->answer, "\r\n\r\n");
  if (!end) return false;
  if (strncmp(p->answer, "HTTP/1.1 2", 10)) fail("publisher: %.400s", p->answer);
  size_t head = end + 4 - p->answer;
  char *length = strcasestr(p->answer, "\r\ncontent-length:");
  if (length && length < end) return p->held >= head + strtoul(length + 17, NULL, 10);
  if (strcasestr(p->answer, "\r\ntransfer-encoding: chunked"))
    return p->held >= 5 && !memcmp(p->answer + p->held - 5, "0\r\n\r\n", 5);
  return true;  // 204
}

static void publisher_ready(Publisher *p, int events) {
  (void)events;
  ssize_t n = recv(p->fd, p->answer + p->held, sizeof p->answer - 1 - p->held, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) fail("publisher: %s", n == 0 ? "the server has closed" : strerror(errno));
  p->held += n;
  if (!answered(p)) return;
  p->busy = false;
  p->channel->answered++;
  posts++;
  if (publishing && !measuring_latency) post(p);
}

static void turn(int wait_ms) {
  struct epoll_event events[1024];
  int n = epoll_wait(poller, events, 1024, wait_ms);
  if (n < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
  for (int i = 0; i < n; i++) {
    void *who = events[i].data.ptr;
    if (*(Kind *)who == VIEWER) viewer_ready(who, events[i].events);
    else publisher_ready(who, events[i].events);
  }
}

static void connect_viewers(void) {
  viewer_count = opened = 0;
  for (int c = 0; c < channel_count; c++) viewer_count += channels[c].viewers;
  viewers = calloc(viewer_count, sizeof *viewers);
  double from = now();
  int asked = 0;
  for (int c = 0; c < channel_count; c++) {
    for (int i = 0; i < channels[c].viewers; i++) {
      Viewer *v = &viewers[asked];
      *v = (Viewer){.kind = VIEWER, .fd = open_socket(asked), .number = asked, .channel = &channels[c]};
      watch(v->fd, EPOLLOUT, v, EPOLL_CTL_ADD);
      asked++;
      while (asked - opened >= CONNECTING_MAX) {
        turn(1000);
        if (now() - from > CONNECT_S) fail("%d of %d viewers connected", opened, viewer_count);
      }
    }
  }
  while (opened < viewer_count) {
    turn(1000);
    if (now() - from > CONNECT_S) fail("%d of %d viewers connected", opened, viewer_count);
  }
  say("{\"connected\": %d, \"ms\": %.0f}", opened, (now() - from) * 1000);
}

static void open_publishers(int count) {
  publisher_count = count;
  publishers = calloc(count, sizeof *publishers);
  for (int i = 0; i < count; i++) {
    Publisher *p = &publishers[i];
    p->kind = PUBLISHER;
    p->fd = open_socket(i);
    struct epoll_event event;
    int only = epoll_create1(0);  // until it is connected
    struct epoll_event out = {.events = EPOLLOUT};
    epoll_ctl(only, EPOLL_CTL_ADD, p->fd, &out);
    if (epoll_wait(only, &event, 1, 5000) != 1) fail("publisher: no connection");
    close(only);
    watch(p->fd, EPOLLIN, p, EPOLL_CTL_ADD);
  }
  for (int c = 0; c < channel_count; c++) {
    Channel *channel = &channels[c];
    if (channel->post) continue;
    int n = asprintf(&channel->post,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     channel->post_path, header, strlen(body), body);
    channel->post_size = n;
    channel->digits = strstr(channel->post, "##########");
    if (!channel->digits) fail("no ########## in the body");
  }
}

static void close_publishers(void) {
  for (int i = 0; i < publisher_count; i++) close(publishers[i].fd);
  free(publishers);
  publisher_count = 0;
}

/** Every viewer must come to hold as many frames as posts were answered, and no more. */
static void drain(void) {
  uint64_t owed = 0;
  double until = now() + DRAIN_S;
  for (bool busy = true; busy;) {
    busy = false;
    for (int i = 0; i < publisher_count; i++) busy |= publishers[i].busy;
    if (busy) turn(100);
    if (now() > until) fail("void: a post was not answered");
  }
  for (int i = 0; i < viewer_count; i++) owed += viewers[i].channel->answered - viewers[i].frames;
  uint64_t goal = frames + owed;
  while (frames < goal && now() < until) turn(100);
  turn(20);
  for (int i = 0; i < viewer_count; i++) {
    Viewer *v = &viewers[i];
    if (v->frames != v->channel->answered)
      fail("void: viewer %d holds %lu frames of %lu", v->number, v->frames, v->channel->answered);
  }
}

static void run_until(double until) {
  for (double left; (left = until - now()) > 0;) turn(left > 0.001 ? (int)(left * 1000) : 0);
}

/** The publishers take turns: a server closes a connection that is quiet for some seconds. */
static void send_at_rate(double rate, double seconds) {
  static int last;
  double from = now();
  for (uint64_t n = 0;; n++) {
    double due = from + n / rate;
    if (due >= from + seconds) break;
    run_until(due);
    for (bool sent = false; !sent;) {
      for (int i = 1; i <= publisher_count && !sent; i++) {
        Publisher *p = &publishers[(last + i) % publisher_count];
        if (!p->busy) post(p), sent = true, last = (int)(p - publishers);
      }
      if (!sent) turn(1);
    }
  }
  run_until(from + seconds);
}

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

typedef struct {
  double at, cpu;
  uint64_t frames, notices, bytes, posts;
} Mark;

static Mark mark(const char *which) {
  Mark m = {now(), cpu_s(), frames, notices, bytes, posts};
  say("{\"mark\": \"%s\"}", which);
  return m;
}

static void tell(Mark a, Mark b, const char *more) {
  double s = b.at - a.at;
  say("{\"seconds\": %.6f, \"frames\": %lu, \"posts\": %lu, \"notices\": %lu, \"bytes\": %lu, "
      "\"clientCpuS\": %.6f%s}",
      s, b.frames - a.frames, b.posts - a.posts, b.notices - a.notices, b.bytes - a.bytes, b.cpu - a.cpu,
      more);
}

static void load(int count, double warm_s, double s) {
  open_publishers(count);
  publishing = true;
  for (int i = 0; i < count; i++) post(&publishers[i]);
  run_until(now() + warm_s);
  // A job's first frame is shorter than all that follow.
  for (double until = now() + DRAIN_S; posts < (uint64_t)channel_count && now() < until;) turn(100);
  Mark a = mark("begin");
  run_until(a.at + s);
  Mark b = mark("end");
  publishing = false;
  drain();
  close_publishers();
  tell(a, b, "");
}

static void latency(double rate, double warm_s, double s) {
  open_publishers(LATENCY_PUBLISHERS);
  measuring_latency = publishing = true;
  sent_max = next_event - FIRST_EVENT + rate * (warm_s + s) + 16;
  sent_at = realloc(sent_at, sent_max * sizeof *sent_at);
  sample_max = (rate * s + 2) * viewer_count;
  samples = malloc(sample_max * sizeof *samples);
  memset(samples, 0, sample_max * sizeof *samples);  // no page faults while it counts
  sample_count = 0;
  send_at_rate(rate, warm_s);
  first_sample = next_event;
  sampling = true;
  Mark a = mark("begin");
  send_at_rate(rate, s);
  Mark b = mark("end");
  drain();
  sampling = measuring_latency = publishing = false;
  close_publishers();
  if (sample_count == 0) fail("void: no event was found in a frame");
  qsort(samples, sample_count, sizeof *samples, by_size);
  char more[256];
  snprintf(more, sizeof more, ", \"samples\": %zu, \"p50Ms\": %.3f, \"p99Ms\": %.3f, \"maxMs\": %.3f",
           sample_count, samples[sample_count / 2] * 1e3, samples[(size_t)(sample_count * 0.99)] * 1e3,
           samples[sample_count - 1] * 1e3);
  free(samples);
  tell(a, b, more);
}

int main(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  poller = epoll_create1(0);
  buffer = malloc(READ_MAX);
  static char line[32768], word[8192], other[8192];
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    int a, b, c;
    double rate;
    if (sscanf(line, "port %d", &port) == 1) continue;
    if (!strncmp(line, "header ", 7)) snprintf(header, sizeof header, "%.1000s\r\n", line + 7);
    else if (!strncmp(line, "body ", 5)) snprintf(body, sizeof body, "%.16000s", line + 5);
    else if (!strncmp(line, "ids ", 4)) ids_are_pairs = !strcmp(line + 4, "pair");
    else if (sscanf(line, "channel %d %8191s %8191s", &a, word, other) == 3) {
      channels = realloc(channels, (channel_count + 1) * sizeof *channels);
      channels[channel_count++] =
          (Channel){.viewers = a, .get_path = strdup(word), .post_path = strdup(other)};
    } else if (!strcmp(line, "connect")) connect_viewers();
    else if (sscanf(line, "load %d %d %d", &a, &b, &c) == 3) load(a, b / 1e3, c / 1e3);
    else if (sscanf(line, "latency %lf %d %d", &rate, &b, &c) == 3) latency(rate, b / 1e3, c / 1e3);
    else if (sscanf(line, "idle %d", &a) == 1) {
      run_until(now() + 0.01);
      Mark begin = mark("begin");
      run_until(begin.at + a / 1e3);
      tell(begin, mark("end"), "");
    } else if (!strcmp(line, "close")) {
      for (int i = 0; i < viewer_count; i++) close(viewers[i].fd), free(viewers[i].carry);
      free(viewers);
      say("{\"closed\": %d}", viewer_count);
      viewer_count = 0;
    } else fail("no command: %.100s", line);
  }
  return 0;
}
