#include "cli/command_line.hpp"
#include "io/process_start.hpp"

int main(int argc, char** argv) {
  belay::io::prepare_static_process();
  return belay::cli::run_command_line(argc, argv);
}
