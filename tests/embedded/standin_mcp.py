from tests.embedded.standin_server import serve

serve("EVIDESK_MCP_PORT")
