// Stands for libEGL.so.1. Alone it has no device and no display. Compiled with -DREAL="path" it is
// that library, but with a device before its own that does not start.

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

typedef void* Pointer;
typedef void* (*Find)(const char* name);

static char bad_device;

#ifdef REAL
static void* real(const char* name) {
  static void* library;
  if (library == NULL) library = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
  return dlsym(library, name);
}
#define CALL(name, type) ((type)real(#name))
#else
static int nothing(void) {
  return 0;
}
#define CALL(name, type) ((type)nothing)
#endif

int eglInitialize(Pointer display, int* major, int* minor) {
  if (display == (Pointer)&bad_device) return 0;
  return CALL(eglInitialize, int (*)(Pointer, int*, int*))(display, major, minor);
}
int eglChooseConfig(Pointer display, const int* wanted, Pointer* configs, int size, int* count) {
  return CALL(eglChooseConfig, int (*)(Pointer, const int*, Pointer*, int, int*))(
      display, wanted, configs, size, count);
}
unsigned eglBindAPI(unsigned api) {
  return CALL(eglBindAPI, unsigned (*)(unsigned))(api);
}
Pointer eglCreateContext(Pointer display, Pointer config, Pointer shared, const int* attributes) {
  return CALL(eglCreateContext, Pointer(*)(Pointer, Pointer, Pointer, const int*))(
      display, config, shared, attributes);
}
unsigned eglMakeCurrent(Pointer display, Pointer draw, Pointer read, Pointer context) {
  return CALL(eglMakeCurrent, unsigned (*)(Pointer, Pointer, Pointer, Pointer))(display, draw, read,
                                                                                context);
}
unsigned eglDestroyContext(Pointer display, Pointer context) {
  return CALL(eglDestroyContext, unsigned (*)(Pointer, Pointer))(display, context);
}
unsigned eglReleaseThread(void) {
  return CALL(eglReleaseThread, unsigned (*)(void))();
}
int eglGetError(void) {
  return CALL(eglGetError, int (*)(void))();
}

static unsigned query_devices(int size, Pointer* devices, int* count) {
  *count = 0;
#ifdef REAL
  Find find = (Find)real("eglGetProcAddress");
  unsigned (*query)(int, Pointer*, int*) = find("eglQueryDevicesEXT");
  if (query(size - 1, devices + 1, count) == 0) *count = 0;
  devices[0] = &bad_device;
  ++*count;
#endif
  return 1;
}

static Pointer platform_display(unsigned platform, Pointer native, const int* attributes) {
#ifdef REAL
  if (native == (Pointer)&bad_device) return &bad_device;
  Find find = (Find)real("eglGetProcAddress");
  Pointer (*display)(unsigned, Pointer, const int*) = find("eglGetPlatformDisplayEXT");
  return display(platform, native, attributes);
#else
  return NULL;
#endif
}

Pointer eglGetProcAddress(const char* name) {
  if (strcmp(name, "eglQueryDevicesEXT") == 0) return (Pointer)query_devices;
  if (strcmp(name, "eglGetPlatformDisplayEXT") == 0) return (Pointer)platform_display;
#ifdef REAL
  return ((Find)real("eglGetProcAddress"))(name);
#else
  return NULL;
#endif
}
