#include "io/process_start.hpp"

#include <nss.h>
#include <openssl/ssl.h>

#include <csignal>
#include <initializer_list>

#include "base/assert.hpp"

namespace belay::io {

void prepare_static_process() {
  __nss_configure_lookup("hosts", "files dns");
  for (const char* database : {"passwd", "group", "services"}) __nss_configure_lookup(database, "files");
  BELAY_ASSERT(OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) == 1);
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace belay::io
