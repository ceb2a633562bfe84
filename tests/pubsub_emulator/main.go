// Command pubsub_emulator serves Pub/Sub in memory, for tests on this machine.
//
// It prints "ready HOST:PORT" once it listens, and ends on SIGTERM or SIGINT. Nothing is kept: a
// message that nobody has leased is forgotten ten minutes after it was published.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"

	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/grpc"
)

// A publish request may hold 10 MB of messages; gRPC's own limit is 4 MB.
const maxRequestBytes = 12 << 20

func main() {
	address := flag.String("address", "127.0.0.1:8085", "where to listen; port 0 takes a free one")
	flag.Parse()

	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	// The fake's own server keeps gRPC's limit, so its services are served by another.
	fake := pstest.NewServerWithAddress("127.0.0.1:0")
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxRequestBytes))
	pb.RegisterPublisherServer(server, &fake.GServer)
	pb.RegisterSubscriberServer(server, &fake.GServer)

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-ended
		server.Stop()
	}()

	fmt.Printf("ready %s\n", listener.Addr())
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
