// pthread_atfork lies in the static part of glibc, which the shipped library is not linked with. The
// library is never unloaded, so its handler needs no owner to be removed with.
extern "C" {

int __register_atfork(void (*prepare)(), void (*parent)(), void (*child)(), void* owner);

int pthread_atfork(void (*prepare)(), void (*parent)(), void (*child)()) {
    return __register_atfork(prepare, parent, child, nullptr);
}

}  // extern "C"
