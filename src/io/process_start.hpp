#pragma once

namespace belay::io {

// First thing in every main, before any thread, name look-up or TLS. May be repeated.
// A fully static binary dies inside the host's NSS modules and OpenSSL providers (other glibc, other libcrypto), so:
// names come from files and DNS only, openssl.cnf is not read, and SIGPIPE is ignored.
void prepare_static_process();

}  // namespace belay::io
