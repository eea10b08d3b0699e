/* EClib's C interface as far as a driver uses it, for instruments that are emulated: every call goes over a loopback
 * connection to the process of `labctl emulate biologic`, which has the cells. Names, types and packing are those of the
 * vendor's published header (structures packed by 4). An address is HOST:PORT.
 *
 * A structure of 12 bytes by value: foreign-function libraries pass what is packed like this in two registers, a C compiler would
 * pass its unaligned pointer in memory; so it is three words here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MOST 32
#define NOT_CONNECTED (-1)
#define INVALID (-4)
#define COMMUNICATION (-200)
#define CONNECTION (-201)
#define TOO_MANY (-207)

enum { CONNECT = 1, TEST, FIRMWARE, PLUGGED, INFOS, BOARD, MESSAGE, LOAD, START, STOP, VALUES, DATA, OPTIONS };

#pragma pack(push, 4)
typedef struct { int32_t fields[11]; } DeviceInfos;
typedef struct { int32_t fields[19]; } ChannelInfos;
typedef struct { int32_t fields[19]; } CurrentValues;
typedef struct { int32_t fields[7]; double start_time; int32_t mux_pad; } DataInfos;
typedef struct { char label[64]; int32_t type; int32_t value; int32_t index; } EccParam;
typedef struct { int32_t count; uint32_t low, high; } EccParams;
#pragma pack(pop)

static int sockets[MOST];

static int whole(int fd, void *data, size_t size, int sending) {
  char *at = data;
  while (size > 0) {
    ssize_t done = sending ? send(fd, at, size, MSG_NOSIGNAL) : recv(fd, at, size, 0);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return 0;
    at += done;
    size -= (size_t)done;
  }
  return 1;
}

static int32_t lost(int32_t id) {
  close(sockets[id - 1]);
  sockets[id - 1] = 0;
  return COMMUNICATION;
}

/* One call: the number of the function and its arguments out, its code and what it fills in. */
static int32_t call(int32_t id, uint8_t function, const void *in, uint32_t size, void *out, uint32_t room, uint32_t *got) {
  if (id < 1 || id > MOST || sockets[id - 1] <= 0) return NOT_CONNECTED;
  int fd = sockets[id - 1];
  uint32_t length = size + 1;
  if (!whole(fd, &length, 4, 1) || !whole(fd, &function, 1, 1) || (size && !whole(fd, (void *)in, size, 1)))
    return lost(id);
  int32_t code;
  if (!whole(fd, &length, 4, 0) || length < 4 || length > 65536 || !whole(fd, &code, 4, 0)) return lost(id);
  length -= 4;
  if (length > room) return lost(id);
  if (length && !whole(fd, out, length, 0)) return lost(id);
  if (got) *got = length;
  return code;
}

int32_t BL_Connect(const char *address, uint8_t timeout, int32_t *id, DeviceInfos *infos) {
  char host[128];
  const char *colon = strrchr(address, ':');
  if (!colon || (size_t)(colon - address) >= sizeof host) return -203;
  memcpy(host, address, (size_t)(colon - address));
  host[colon - address] = 0;
  struct sockaddr_in there = {0};
  there.sin_family = AF_INET;
  there.sin_port = htons((uint16_t)atoi(colon + 1));
  if (inet_pton(AF_INET, host, &there.sin_addr) != 1) return -203;
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct timeval patience = {timeout ? timeout : 1, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&there, sizeof there) != 0) {
    close(fd);
    return CONNECTION;
  }
  int free_id = 0;
  for (int i = 0; i < MOST && !free_id; i++) /* two instruments may connect at the same moment, each in its thread */
    if (__sync_bool_compare_and_swap(&sockets[i], 0, fd)) free_id = i + 1;
  if (!free_id) {
    close(fd);
    return TOO_MANY;
  }
  int32_t code = call(free_id, CONNECT, NULL, 0, infos, sizeof *infos, NULL);
  if (code != 0 && sockets[free_id - 1] > 0) lost(free_id);
  if (code == 0) *id = free_id;
  return code;
}

int32_t BL_Disconnect(int32_t id) {
  if (id < 1 || id > MOST || sockets[id - 1] <= 0) return NOT_CONNECTED;
  lost(id);
  return 0;
}

int32_t BL_TestConnection(int32_t id) { return call(id, TEST, NULL, 0, NULL, 0, NULL); }

int32_t BL_GetLibVersion(char *version, uint32_t *size) {
  snprintf(version, *size, "6.11.0.0 (emulated)");
  *size = (uint32_t)strlen(version);
  return 0;
}

int32_t BL_GetErrorMsg(int32_t code, char *text, uint32_t *size) {
  snprintf(text, *size, "error %d", (int)code);
  *size = (uint32_t)strlen(text);
  return 0;
}

int32_t BL_LoadFirmware(int32_t id, uint8_t *channels, int32_t *results, uint8_t length, uint8_t gauge, uint8_t force,
                        char *binary, char *xlx) {
  (void)gauge; (void)force; (void)binary; (void)xlx;
  uint32_t got = 0;
  return call(id, FIRMWARE, channels, length, results, 4u * length, &got);
}

int32_t BL_GetChannelsPlugged(int32_t id, uint8_t *plugged, uint8_t size) {
  return call(id, PLUGGED, &size, 1, plugged, size, NULL);
}

uint8_t BL_IsChannelPlugged(int32_t id, uint8_t channel) {
  uint8_t plugged[16] = {0};
  return channel < 16 && BL_GetChannelsPlugged(id, plugged, 16) == 0 && plugged[channel];
}

int32_t BL_GetChannelInfos(int32_t id, uint8_t channel, ChannelInfos *infos) {
  return call(id, INFOS, &channel, 1, infos, sizeof *infos, NULL);
}

int32_t BL_GetChannelBoardType(int32_t id, uint8_t channel, uint32_t *type) {
  return call(id, BOARD, &channel, 1, type, 4, NULL);
}

int32_t BL_GetMessage(int32_t id, uint8_t channel, char *text, uint32_t *size) {
  uint32_t got = 0;
  int32_t code = call(id, MESSAGE, &channel, 1, text, *size, &got);
  *size = got;
  return code;
}

int32_t BL_GetOptErr(int32_t id, uint8_t channel, int32_t *error, int32_t *place) {
  int32_t both[2] = {0, 0};
  int32_t code = call(id, OPTIONS, &channel, 1, both, sizeof both, NULL);
  *error = both[0];
  *place = both[1];
  return code;
}

static int32_t define(const char *label, int32_t type, int32_t value, int32_t index, EccParam *parameter) {
  if (strlen(label) >= sizeof parameter->label) return INVALID;
  memset(parameter, 0, sizeof *parameter);
  strcpy(parameter->label, label);
  parameter->type = type;
  parameter->value = value;
  parameter->index = index;
  return 0;
}

int32_t BL_DefineBoolParameter(const char *label, uint8_t value, int32_t index, EccParam *parameter) {
  return define(label, 1, value != 0, index, parameter);
}

int32_t BL_DefineSglParameter(const char *label, float value, int32_t index, EccParam *parameter) {
  int32_t bits;
  memcpy(&bits, &value, 4);
  return define(label, 2, bits, index, parameter);
}

int32_t BL_DefineIntParameter(const char *label, int32_t value, int32_t index, EccParam *parameter) {
  return define(label, 0, value, index, parameter);
}

int32_t BL_LoadTechnique(int32_t id, uint8_t channel, const char *name, EccParams parameters, uint8_t first, uint8_t last,
                         uint8_t display) {
  (void)display;
  if (parameters.count < 0 || parameters.count > 1000 || strlen(name) > 200) return INVALID;
  EccParam *list = (EccParam *)(uintptr_t)(((uint64_t)parameters.high << 32) | parameters.low);
  uint32_t words = (uint32_t)parameters.count * (uint32_t)sizeof(EccParam), stem = (uint32_t)strlen(name);
  uint8_t *in = malloc(4 + stem + words);
  in[0] = channel;
  in[1] = first != 0;
  in[2] = last != 0;
  in[3] = (uint8_t)stem;
  memcpy(in + 4, name, stem);
  if (words) memcpy(in + 4 + stem, list, words);
  int32_t code = call(id, LOAD, in, 4 + stem + words, NULL, 0, NULL);
  free(in);
  return code;
}

int32_t BL_StartChannel(int32_t id, uint8_t channel) { return call(id, START, &channel, 1, NULL, 0, NULL); }

int32_t BL_StopChannel(int32_t id, uint8_t channel) { return call(id, STOP, &channel, 1, NULL, 0, NULL); }

int32_t BL_GetCurrentValues(int32_t id, uint8_t channel, CurrentValues *values) {
  return call(id, VALUES, &channel, 1, values, sizeof *values, NULL);
}

int32_t BL_GetData(int32_t id, uint8_t channel, uint32_t *buffer, DataInfos *infos, CurrentValues *values) {
  uint8_t reply[sizeof *infos + sizeof *values + 4000];
  uint32_t got = 0, head = sizeof *infos + sizeof *values;
  int32_t code = call(id, DATA, &channel, 1, reply, sizeof reply, &got);
  if (code != 0) return code;
  if (got < head) return lost(id);
  memcpy(infos, reply, sizeof *infos);
  memcpy(values, reply + sizeof *infos, sizeof *values);
  memcpy(buffer, reply + head, got - head);
  return 0;
}

int32_t BL_ConvertChannelNumericIntoSingle(uint32_t number, float *value, uint32_t board) {
  (void)board;
  memcpy(value, &number, 4);
  return 0;
}

int32_t BL_ConvertNumericIntoSingle(uint32_t number, float *value) {
  return BL_ConvertChannelNumericIntoSingle(number, value, 0);
}

int32_t BL_ConvertTimeChannelNumericIntoSeconds(uint32_t *words, double *seconds, float timebase, uint32_t board) {
  (void)board;
  *seconds = (double)timebase * (double)(((uint64_t)words[0] << 32) | words[1]);
  return 0;
}
